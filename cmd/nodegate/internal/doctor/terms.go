// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package doctor

// terms are a runtime's own names for what a remedy tells to write.
type terms struct {
	name      string
	unit      string // that is restarted
	nri       string // NRI's table
	on        string // in it: NRI is on
	connect   string // in it: plugins may connect
	timeout   string // the prefix of its timeouts' keys
	validator string // the default validator's table
	enable    string // in it
	keys      string // the prefix of its other keys
	program   string // a handler's OCI runtime
	handler   string // where that is written
}

var (
	containerdTerms = terms{"containerd", "containerd", "[plugins.'io.containerd.nri.v1.nri']", "disable = false", "disable_connections = false", "",
		"[plugins.'io.containerd.nri.v1.nri'.default_validator]", "enable = true", "", "BinaryName", "in the options of handler %q"}
	crioTerms = terms{"CRI-O", "crio", "[crio.nri]", "enable_nri = true", "nri_disable_connections = false", "nri_",
		"[crio.nri.default_validator]", "nri_enable_default_validator = true", "nri_validator_", "runtime_path", "under [crio.runtime.runtimes.%s]"}
)

func (f *Facts) terms() terms {
	if f.Containerd.Value.DropIns != "" {
		return crioTerms
	}
	return containerdTerms
}
