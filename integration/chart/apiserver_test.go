// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package chart holds tests of the chart on a real API server, which says whether an
// object is one and what admission does to it. It has no nodes, so nothing runs.
package chart

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// cluster is an API server with its etcd, in a folder.
type cluster struct {
	dir, bin string
	started  []*exec.Cmd
}

var (
	server *cluster
	absent string // why there is none
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	// The kernel ends what a thread has started together with the thread.
	runtime.LockOSThread()
	bin, err := filepath.Abs(os.Getenv("NODEGATE_BIN"))
	if os.Getenv("NODEGATE_BIN") == "" {
		bin, err = filepath.Abs("../../bin")
	}
	for _, name := range []string{"kubernetes", "helm"} {
		if err == nil {
			_, err = os.Stat(filepath.Join(bin, name))
		}
	}
	if err != nil {
		absent = err.Error() + ": run make test"
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "nodegate-chart-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	c := &cluster{dir: dir, bin: bin}
	defer c.stop()
	if err := c.start(); err != nil {
		fmt.Fprintln(os.Stderr, "starting an API server:", err)
		return 1
	}
	server = c
	return m.Run()
}

// needServer returns the API server, or ends a test that has none.
func needServer(t *testing.T) *cluster {
	t.Helper()
	switch {
	case server != nil:
	case os.Getenv("CI") != "" || os.Getenv("NODEGATE_REQUIRE") != "":
		t.Fatal("there is no API server, and CI or NODEGATE_REQUIRE is set: " + absent)
	default:
		t.Skip("there is no API server: " + absent)
	}
	return server
}

func (c *cluster) start() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	ports, err := freePorts(3)
	if err != nil {
		return err
	}
	for name, text := range map[string]string{
		"sa.key":     string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})),
		"tokens.csv": "secret,admin,admin,system:masters\n",
		"kubeconfig": fmt.Sprintf(`{"apiVersion":"v1","kind":"Config","current-context":"c",
			"clusters":[{"name":"c","cluster":{"server":"https://127.0.0.1:%d","insecure-skip-tls-verify":true}}],
			"users":[{"name":"admin","user":{"token":"secret"}}],
			"contexts":[{"name":"c","context":{"cluster":"c","user":"admin"}}]}`, ports[2]),
	} {
		if err := os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	client := fmt.Sprintf("http://127.0.0.1:%d", ports[0])
	err = c.spawn("etcd", "--data-dir=etcd", "--unsafe-no-fsync", "--listen-client-urls="+client, "--advertise-client-urls="+client,
		fmt.Sprintf("--listen-peer-urls=http://127.0.0.1:%d", ports[1]))
	if err != nil {
		return err
	}
	err = c.spawn("kube-apiserver", "--etcd-servers="+client, "--cert-dir=certs", "--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", ports[2]),
		"--token-auth-file=tokens.csv", "--authorization-mode=RBAC", "--service-cluster-ip-range=10.96.0.0/24",
		"--service-account-key-file=sa.key", "--service-account-signing-key-file=sa.key", "--service-account-issuer=https://chart.test",
		"--disable-admission-plugins=ServiceAccount") // nobody is there to make the accounts
	if err != nil {
		return err
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) {
		_, err := c.kubectl("", "get", "namespace", "default")
		if err == nil || time.Now().After(end) {
			return err
		}
	}
}

// freePorts finds ports that nobody listens on now.
func freePorts(n int) ([]int, error) {
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

// spawn starts a component; its log lies beside it.
func (c *cluster) spawn(component string, args ...string) error {
	log, err := os.OpenFile(filepath.Join(c.dir, component+".log"), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(filepath.Join(c.bin, "kubernetes"), append([]string{component}, args...)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = c.dir, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return err
	}
	c.started = append(c.started, cmd)
	return nil
}

func (c *cluster) stop() {
	for _, cmd := range c.started {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
}

func (c *cluster) kubectl(stdin string, args ...string) (string, error) {
	return c.command(stdin, "kubernetes", append([]string{"kubectl"}, args...)...)
}

func (c *cluster) helm(args ...string) (string, error) { return c.command("", "helm", args...) }

func (c *cluster) command(stdin, name string, args ...string) (string, error) {
	cmd := exec.Command(filepath.Join(c.bin, name), args...)
	cmd.Env = []string{"HOME=" + c.dir, "KUBECONFIG=" + filepath.Join(c.dir, "kubeconfig")}
	cmd.Stdin = strings.NewReader(stdin)
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s %s: %w: %s", name, args[0], err, &problems)
	}
	return out.String(), nil
}

// namespace makes one that goes with the test.
func (c *cluster) namespace(t *testing.T, name string, labels ...string) {
	t.Helper()
	if _, err := c.kubectl("", "create", "namespace", name); err != nil {
		t.Fatal(err)
	}
	for _, label := range labels {
		if _, err := c.kubectl("", "label", "namespace", name, label); err != nil {
			t.Fatal(err)
		}
	}
}

// install puts the chart into a namespace of its own, and takes it off after the test.
func (c *cluster) install(t *testing.T, namespace string, args ...string) {
	t.Helper()
	c.namespace(t, namespace)
	if _, err := c.helm(append([]string{"install", "nodegate", "../../config/deploy/chart", "--namespace", namespace}, args...)...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := c.helm("uninstall", "nodegate", "--namespace", namespace, "--no-hooks"); err != nil {
			t.Error(err)
		}
	})
}
