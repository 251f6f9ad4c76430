// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package await

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Account is where a pod has its service account's token and the cluster's certificate.
const Account = "/var/run/secrets/kubernetes.io/serviceaccount"

// answerLimit is far above any DaemonSet.
const answerLimit = 4 << 20

// Cluster is the API server of the cluster that this pod runs in.
type Cluster struct {
	Namespace string // the pod's own
	url       string
	token     string // its file, which the kubelet writes anew now and then
	client    *http.Client
}

// InCluster finds the cluster as every pod finds it: by its environment, and by the
// files of its service account in a folder.
func InCluster(account string) (*Cluster, error) {
	host, port := os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT")
	if host == "" || port == "" {
		return nil, errors.New("there is no KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT: run this in a pod")
	}
	ca, err := os.ReadFile(filepath.Join(account, "ca.crt"))
	if err != nil {
		return nil, fmt.Errorf("reading the cluster's certificate: %w: see that the pod has automountServiceAccountToken: true", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("%s holds no certificate", filepath.Join(account, "ca.crt"))
	}
	c := &Cluster{url: "https://" + net.JoinHostPort(host, port), token: filepath.Join(account, "token")}
	if name, err := os.ReadFile(filepath.Join(account, "namespace")); err == nil {
		c.Namespace = strings.TrimSpace(string(name))
	}
	c.client = &http.Client{
		Timeout:       10 * time.Second,
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // the token is for this host
	}
	return c, nil
}

// get asks for an object.
func (c *Cluster) get(ctx context.Context, path string, into any) error {
	token, err := os.ReadFile(c.token)
	if err != nil {
		return fmt.Errorf("reading the service account's token: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+path, nil)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	r.Header.Set("Accept", "application/json")
	answer, err := c.client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(answer.Body, answerLimit))
	if err != nil {
		return fmt.Errorf("reading the answer of GET %s: %w", path, err)
	}
	if answer.StatusCode != http.StatusOK {
		var status struct {
			Message string `json:"message"`
		}
		_ = json.Unmarshal(body, &status) // or it is no Status, and its code has to do
		return fmt.Errorf("GET %s: %s: %q", path, answer.Status, status.Message)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("reading the answer of GET %s: %w", path, err)
	}
	return nil
}
