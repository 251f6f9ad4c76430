// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"encoding/json"
	"flag"
	"os"
	"slices"
	"strings"

	"github.com/nodegate/nodegate/hack/tables"
	"github.com/nodegate/nodegate/integration/node"
)

var update = flag.Bool("update", false, "write the cluster's version to hack/tables/kubernetes.txt, and then go test ./docs -update")

// documented sees that the support matrix has the cluster's version, or writes that it has.
func (k *kube) documented() {
	k.Helper()
	var version struct{ ServerVersion struct{ GitVersion string } }
	if err := json.Unmarshal([]byte(k.do("version", "-o", "json")), &version); err != nil {
		k.Fatal(err)
	}
	is := strings.TrimPrefix(version.ServerVersion.GitVersion, "v") + " | " + node.DefaultContainerd
	rows := tables.Kubernetes()
	if slices.Contains(rows, is) {
		return
	}
	if !*update {
		k.Errorf("hack/tables/kubernetes.txt does not have this cluster: run this test with -update: %s", is)
		return
	}
	minor := strings.Join(strings.SplitN(is, ".", 3)[:2], ".") + "."
	rows = slices.DeleteFunc(rows, func(row string) bool { return strings.HasPrefix(row, minor) })
	rows = append(rows, is)
	slices.Sort(rows)
	if err := os.WriteFile("../../hack/tables/kubernetes.txt", []byte(strings.Join(rows, "\n")+"\n"), 0o644); err != nil {
		k.Fatal(err)
	}
}
