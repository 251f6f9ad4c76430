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
	"strings"

	"github.com/nodegate/nodegate/integration/node"
)

// furnish puts onto the node what an administrator has put onto a real one: programs and
// configuration, at their usual places.
func (c *Cluster) furnish() error {
	files := map[string]string{
		"/etc/kubernetes/kubelet.yaml": fmt.Sprintf(kubeletConfig, c.name, c.socket()),
		"/etc/kubernetes/resolv.conf":  "nameserver 10.96.0.10\n",
	}
	furnish := c.furnishContainerd
	if c.options.K3s != "" {
		furnish = c.furnishK3s
	}
	if err := furnish(files); err != nil {
		return err
	}
	tokens := ""
	for user, groups := range map[string]string{"admin": "system:masters", "system:node:" + NodeName: "system:nodes"} {
		token := make([]byte, 16)
		_, _ = rand.Read(token) // never fails
		tokens += fmt.Sprintf("%x,%s,%s,%q\n", token, user, user, groups)
		files["/etc/kubernetes/"+strings.TrimPrefix(user, "system:")+".conf"] = fmt.Sprintf(kubeconfig, service, hex.EncodeToString(token))
	}
	files["/etc/kubernetes/tokens.csv"] = tokens
	key, err := accountsKey()
	if err != nil {
		return err
	}
	files["/etc/kubernetes/accounts.key"] = key
	for name, content := range files {
		if err := c.WriteFile(name, content); err != nil {
			return err
		}
	}
	return nil
}

// furnishContainerd puts containerd and what it runs onto the node, and adds its
// configuration to the files.
func (c *Cluster) furnishContainerd(files map[string]string) error {
	containerd, runtime := "containerd-"+c.options.Containerd, map[string]string{"runc": "/usr/local/sbin/runc"}
	for _, name := range []string{"containerd", "containerd-shim-runc-v2"} {
		runtime[filepath.Join(containerd, name)] = "/usr/local/bin/" + name
	}
	for _, name := range cniPlugins {
		runtime["cni/"+name] = "/opt/cni/bin/" + name
	}
	if err := c.copyPrograms(runtime); err != nil {
		return err
	}
	config, err := c.containerdConfig()
	files["/etc/containerd/config.toml"] = config
	files["/etc/cni/net.d/10-node.conflist"] = cniConfig
	return err
}

var cniPlugins = []string{"ptp", "host-local", "loopback"}

// copyPrograms copies programs of BinDir to the node.
func (c *Cluster) copyPrograms(programs map[string]string) error {
	for from, to := range programs {
		if err := copyProgram(filepath.Join(c.options.BinDir, from), c.machine.path(to)); err != nil {
			return err
		}
	}
	return nil
}

// WriteFile writes a file of the node's, with the folders that it lies in.
func (c *Cluster) WriteFile(name, content string) error {
	at := c.machine.path(name)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		return err
	}
	return os.WriteFile(at, []byte(content), 0o600)
}

// ReadFile reads a file of the node's.
func (c *Cluster) ReadFile(name string) (string, error) {
	text, err := os.ReadFile(c.machine.path(name))
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
func (c *Cluster) containerdConfig() (string, error) {
	out, err := c.machine.enter("/usr/local/bin/containerd", "config", "default").Output()
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
"ipam": {"type": "host-local", "ranges": [[{"subnet": "10.88.0.0/16"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}
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
