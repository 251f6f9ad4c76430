// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"

	"github.com/nodegate/nodegate/integration/node"
)

// furnish puts onto the node what an administrator has put onto a real one: programs and
// configuration, at their usual places.
func (n *Node) furnish() error {
	files := map[string]string{
		"/etc/kubernetes/kubelet.yaml": fmt.Sprintf(kubeletConfig, n.cgroup, n.socket()),
		"/etc/kubernetes/resolv.conf":  "nameserver 10.96.0.10\n",
	}
	furnish := n.furnishContainerd
	if n.options.K3s != "" {
		furnish = n.furnishK3s
	}
	if err := furnish(files); err != nil {
		return err
	}
	return n.writeFiles(files)
}

// furnishControlPlane writes the key that the API server signs with, and a token for the
// administrator and for each node.
func (c *Cluster) furnishControlPlane() error {
	tokens := ""
	token := func(user, groups string) (config string) {
		secret := make([]byte, 16)
		_, _ = rand.Read(secret) // never fails
		tokens += fmt.Sprintf("%x,%s,%s,%q\n", secret, user, user, groups)
		return fmt.Sprintf(kubeconfig, Service, hex.EncodeToString(secret))
	}
	for _, n := range c.Nodes {
		if err := n.WriteFile("/etc/kubernetes/node:"+n.Name+".conf", token("system:node:"+n.Name, "system:nodes")); err != nil {
			return err
		}
	}
	key, err := accountsKey()
	if err != nil {
		return err
	}
	files := map[string]string{
		"/etc/kubernetes/admin.conf":   token("admin", "system:masters"),
		"/etc/kubernetes/accounts.key": key,
	}
	files["/etc/kubernetes/tokens.csv"] = tokens
	return c.writeFiles(files)
}

func (n *Node) writeFiles(files map[string]string) error {
	for name, content := range files {
		if err := n.WriteFile(name, content); err != nil {
			return err
		}
	}
	return nil
}

// furnishContainerd puts containerd and what it runs onto the node, and adds its
// configuration to the files.
func (n *Node) furnishContainerd(files map[string]string) error {
	containerd, runtime := "containerd-"+n.options.Containerd, map[string]string{"runc": "/usr/local/sbin/runc"}
	for _, name := range []string{"containerd", "containerd-shim-runc-v2"} {
		runtime[filepath.Join(containerd, name)] = "/usr/local/bin/" + name
	}
	for _, name := range cniPlugins {
		runtime["cni/"+name] = "/opt/cni/bin/" + name
	}
	if err := n.copyPrograms(runtime); err != nil {
		return err
	}
	config, err := n.containerdConfig()
	files["/etc/containerd/config.toml"] = config
	files["/etc/cni/net.d/10-node.conflist"] = fmt.Sprintf(cniConfig, n.pods())
	return err
}

var cniPlugins = []string{"ptp", "host-local", "loopback"}

// copyPrograms copies programs of BinDir to the node.
func (n *Node) copyPrograms(programs map[string]string) error {
	for from, to := range programs {
		if err := copyProgram(filepath.Join(n.options.BinDir, from), n.machine.path(to)); err != nil {
			return err
		}
	}
	return nil
}

// WriteFile writes a file of the node's, with the folders that it lies in.
func (n *Node) WriteFile(name, content string) error {
	at := n.machine.path(name)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		return err
	}
	return os.WriteFile(at, []byte(content), 0o600)
}

// ReadFile reads a file of the node's.
func (n *Node) ReadFile(name string) (string, error) {
	text, err := os.ReadFile(n.machine.path(name))
	return string(text), err
}

func copyProgram(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	in, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("%w: run make runtimes", err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err := io.Copy(out, in); err != nil {
		return fmt.Errorf("copying %s to the node: %w", from, err)
	}
	return out.Close()
}

// containerdConfig is containerd's default, but for what this machine does not have: a
// registry, and CAP_SYS_RESOURCE.
func (n *Node) containerdConfig() (string, error) {
	out, err := n.machine.enter("/usr/local/bin/containerd", "config", "default").Output()
	if err != nil {
		return "", fmt.Errorf("asking containerd for its default configuration: %w", err)
	}
	text := string(out)
	for pattern, with := range map[string]string{
		`(sandbox(?:_image)?) = ['"][^'"]*['"]`: "$1 = '" + node.Image + "'",
		`restrict_oom_score_adj = false`:        "restrict_oom_score_adj = true",
	} {
		re := regexp.MustCompile(pattern)
		if !re.MatchString(text) {
			return "", fmt.Errorf("containerd's default configuration has nothing like %s", pattern)
		}
		text = re.ReplaceAllString(text, with)
	}
	return text, nil
}

// accountsKey signs the tokens of service accounts.
func accountsKey() (string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return "", err
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})), nil
}

const kubeconfig = `apiVersion: v1
kind: Config
clusters:
- name: cluster
  cluster: {server: "https://%s", certificate-authority: pki/apiserver.crt}
users:
- name: user
  user: {token: %q}
contexts:
- name: context
  context: {cluster: cluster, user: user}
current-context: context
`

const cniConfig = `{"cniVersion": "1.0.0", "name": "node", "plugins": [{"type": "ptp",
"ipam": {"type": "host-local", "ranges": [[{"subnet": %q}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}
`

// kubeletConfig is for a machine with cgroup v1, and for a test's patience: a volume of a
// ConfigMap follows within seconds.
const kubeletConfig = `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
cgroupDriver: cgroupfs
cgroupRoot: /%s
enforceNodeAllocatable: [pods]
failCgroupV1: false
failSwapOn: false
makeIPTablesUtilChains: false
containerRuntimeEndpoint: unix://%s
resolvConf: /etc/kubernetes/resolv.conf
clusterDomain: cluster.local
syncFrequency: 2s
nodeStatusUpdateFrequency: 4s
evictionHard: {memory.available: 1Mi}
`
