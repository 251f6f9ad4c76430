// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/cluster"
	"github.com/nodegate/nodegate/integration/internal/recipes"
	"github.com/nodegate/nodegate/integration/node"
)

// The recipes of docs/recipes.md do what the page says: their pods as they are there, under
// the Pod Security level that the page names, print what the page shows.
func TestRecipes(t *testing.T) {
	cluster.Require(t, recipes.Images...)
	needDevices(t)
	all := recipes.ReadAll(t, "../..")
	samePolicies(t, all)
	k := installed(t)
	k.plugZigbee()
	for _, name := range recipes.Images {
		if _, err := k.Import(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	for title, r := range all {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			k := &kube{T: t, Cluster: k.Cluster}
			k.cook(r)
			k.apply(r.Manifest(t, recipes.Without()...))
			for _, c := range r.Console {
				k.shows(c.Command, c.Want)
			}
			k.strictest(r)
		})
	}
}

// needDevices ends a test on a machine without the devices of the recipes.
func needDevices(t *testing.T) {
	t.Helper()
	for _, name := range []string{"/dev/fuse", "/dev/kvm", "/dev/net/tun"} {
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			node.Cannot(t, "run the recipes here: "+err.Error())
		}
		f.Close()
	}
}

// plugZigbee gives the node a device under the name that udev gives to an adapter: one of
// the console's screens.
func (k *kube) plugZigbee() {
	k.Helper()
	const plug = "mknod -m 0660 /dev/ttyUSB7 c 7 1; mkdir -p /dev/serial/by-id; " +
		"ln -s ../../ttyUSB7 /dev/serial/by-id/usb-ITEAD_SONOFF_Zigbee_3.0_USB_Dongle_Plus_V2_20230509-if00"
	if out, err := k.Command("sh", "-c", plug).CombinedOutput(); err != nil {
		k.Fatalf("%v: %s", err, out)
	}
}

// samePolicies makes sure that the cluster has the policies of the page, and grants nothing
// else to their namespaces.
func samePolicies(t *testing.T, all map[string]*recipes.Recipe) {
	t.Helper()
	text, err := os.ReadFile("testdata/policy.toml")
	if err != nil {
		t.Fatal(err)
	}
	rest := string(text)
	for _, r := range all {
		body, ok := strings.CutPrefix(r.Policy, "version = 1\n\n")
		if !ok || !strings.Contains(rest, body) {
			t.Errorf("testdata/policy.toml does not have the policy of %q:\n%s", r.Title, r.Policy)
		}
		rest = strings.Replace(rest, body, "", 1)
	}
	for _, r := range all {
		if strings.Contains(rest, `"`+r.Namespace+`"`) {
			t.Errorf("testdata/policy.toml grants more in namespace %q than the page", r.Namespace)
		}
	}
}

// cook makes the objects of a recipe, and removes them with the test.
func (k *kube) cook(r *recipes.Recipe) {
	k.Helper()
	k.apply(r.Objects[0])
	k.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		// Process 1 of a pod may be deaf to SIGTERM.
		_, err := k.Kubectl(ctx, "-n", r.Namespace, "delete", "pods", "--all", "--grace-period=1", "--timeout=60s")
		if err == nil {
			_, err = k.Kubectl(ctx, "delete", "namespace", r.Namespace, "--timeout=60s")
		}
		if err != nil {
			k.Error(err)
		}
	})
	k.eventually("an account in namespace "+r.Namespace, func() error {
		_, err := k.Kubectl(k.Context(), "-n", r.Namespace, "get", "serviceaccount", "default")
		return err
	})
	for _, object := range r.Objects[1 : len(r.Objects)-1] {
		k.apply(object)
	}
	k.apply(r.Manifest(k.T))
}

// shows runs a command of the page until it prints what the page shows.
func (k *kube) shows(command, shown string) {
	k.Helper()
	args, want := recipes.Words(k.T, command), recipes.Pattern(shown)
	if args[0] != "kubectl" {
		k.Fatalf("%q is not kubectl", command)
	}
	k.eventually("what the page shows of "+command, func() error {
		if got := recipes.Printed(k.Kubectl(k.Context(), args[1:]...)); !want.MatchString(got + "\n") {
			return fmt.Errorf("it printed\n%s\nand the page shows\n%s", got, shown)
		}
		return nil
	})
}

// strictest makes sure that no stricter level admits a recipe's pod, and that a level that
// wants users other than root lets root of a user namespace in.
func (k *kube) strictest(r *recipes.Recipe) {
	k.Helper()
	if r.Level != "restricted" {
		stricter := map[string]string{"privileged": "baseline", "baseline": "restricted"}[r.Level]
		k.do("label", "--overwrite", "namespace", r.Namespace, "pod-security.kubernetes.io/enforce="+stricter)
		k.violates(r.Manifest(k.T, recipes.Named("stricter")...), stricter, "")
		return
	}
	root := append(recipes.Named("root"), `(?m)^    runAs.*\n`, "")
	if _, err := k.admits(r.Manifest(k.T, root...)); err != nil {
		k.Errorf("root of a user namespace: %v", err)
	}
	k.violates(r.Manifest(k.T, append(root, `(?m)^  hostUsers: false\n`, "")...), r.Level, "runAsNonRoot != true")
}

// admits asks the API whether it would admit a manifest.
func (k *kube) admits(manifest string) (string, error) {
	k.Helper()
	name := k.TempDir() + "/pod.yaml"
	write(k.T, name, manifest)
	return k.Kubectl(k.Context(), "apply", "--dry-run=server", "-f", name)
}

func (k *kube) violates(manifest, level, why string) {
	k.Helper()
	_, err := k.admits(manifest)
	if want := `violates PodSecurity "` + level + `:latest": `; err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), why) {
		k.Errorf("level %s answers %v", level, err)
	}
}
