// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package doctor

// Status is how a finding is meant. Words, as colours are not for everyone.
type Status string

// The values of Status, from the best. What cannot be told is not well.
const (
	OK      Status = "ok"
	Unknown Status = "unknown" // amber
	Warning Status = "warning" // amber
	Problem Status = "problem" // red
)

// Finding is what one check says of one thing.
type Finding struct {
	Check   string `json:"check"`             // which one: a word that stays
	Subject string `json:"subject,omitempty"` // of several: a handler, a device, a path
	Status  Status `json:"status"`
	Found   string `json:"found"`
	Remedy  string `json:"remedy,omitempty"` // what to do, where it is not ok
}

// Report is all findings, in the order in which they are best read.
type Report struct {
	Version  int       `json:"version"` // of this structure: 1
	Status   Status    `json:"status"`  // the worst
	Findings []Finding `json:"findings"`
}

// checks are all checks, by their names. Each looks at the facts alone.
var checks = []struct {
	name string
	run  func(*Facts) []Finding
}{
	{"runtime", checkRuntime}, {"configuration", checkConfiguration},
	{"nri", checkNRI}, {"nri-socket", checkSocket}, {"nri-timeouts", checkTimeouts},
	{"pod-sizes", checkSizes}, {"validator", checkValidator}, {"required-plugins", checkRequired},
	{"handler", checkHandlers}, {"wrapper", checkWrapper}, {"wrapper-config", checkWrapperConfig},
	{"oci-runtime", checkOCIRuntime}, {"advisories", checkAdvisories},
	{"kernel", checkKernel}, {"cgroup", checkCgroup},
	{"user-namespaces", checkUserNamespaces}, {"mknod", checkMknod}, {"confinement", checkConfined},
	{"policy", checkPolicy}, {"device", checkDevices}, {"apparmor", checkAppArmor},
	{"open-files", checkOpenFiles}, {"resource", checkResources}, {"agent", checkAgent},
}

// Examine checks the facts.
func Examine(f *Facts) Report {
	r := Report{Version: 1, Status: OK}
	for _, check := range checks {
		for _, one := range check.run(f) {
			one.Check = check.name
			r.Findings = append(r.Findings, one)
			if one.Status.rank() > r.Status.rank() {
				r.Status = one.Status
			}
		}
	}
	return r
}

// Count counts the findings of a status.
func (r *Report) Count(s Status) (n int) {
	for _, f := range r.Findings {
		if f.Status == s {
			n++
		}
	}
	return n
}

func (s Status) rank() int {
	for i, one := range []Status{OK, Unknown, Warning, Problem} {
		if s == one {
			return i
		}
	}
	return -1
}

func one(s Status, found, remedy string) []Finding {
	return []Finding{{Status: s, Found: found, Remedy: remedy}}
}

// cannotTell is the finding about a fact that is not known.
func cannotTell(because string) []Finding {
	f := Finding{Status: Unknown, Found: "unknown: " + because}
	if because == needsRoot {
		f.Remedy = "run nodegate doctor as root"
	}
	return []Finding{f}
}
