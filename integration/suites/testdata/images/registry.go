// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path"
	"runtime"
	"strings"
)

const (
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	configType   = "application/vnd.oci.image.config.v1+json"
	layerType    = "application/vnd.oci.image.layer.v1.tar"
)

// config is the part of an image's configuration that containers are run by.
type config struct {
	Entrypoint []string          `json:",omitempty"`
	Cmd        []string          `json:",omitempty"`
	User       string            `json:",omitempty"`
	Env        []string          `json:",omitempty"`
	WorkingDir string            `json:",omitempty"`
	Labels     map[string]string `json:",omitempty"`
}

// images are those that are more than a shell, by the last part of their names.
var images = map[string]config{
	"agnhost":                         {Entrypoint: []string{"/agnhost"}, Cmd: []string{"pause"}},
	"pause":                           {Entrypoint: []string{"/agnhost"}, Cmd: []string{"pause"}},
	"sample-device-plugin":            {Entrypoint: []string{"/sample-device-plugin", "-alsologtostderr"}},
	"nonroot":                         {User: "1234"},
	"nginx":                           {Cmd: []string{"/bin/nginx", "80"}},
	"httpd":                           {Cmd: []string{"/bin/nginx", "80"}},
	"hostnet-nginx-" + runtime.GOARCH: {Cmd: []string{"/bin/nginx", "12003"}},
	"nonewprivs":                      {Cmd: []string{"/bin/euid"}},
	"test-image-predefined-group":     {User: "1000"},
	"test-image-user-uid":             {User: "1002"},
	"test-image-user-uid-group":       {User: "1003:users"},
	"test-image-user-username":        {User: "www-data"},
	"test-image-user-username-group":  {User: "www-data:100"},
}

// registry serves an image of one layer under every name of every registry, which differ
// in how they are run.
type registry struct {
	layer  []byte
	digest string
}

// serveRegistry serves the layer of a file at an address of the loopback.
func serveRegistry(layer, address string) error {
	content, err := os.ReadFile(layer)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	fmt.Println("serving images")
	return http.Serve(listener, registry{content, digest(content)})
}

func (r registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	repository, kind, reference := split(strings.TrimPrefix(req.URL.Path, "/v2/"))
	manifest, config := r.image(path.Base(repository))
	isDigest := strings.Contains(reference, ":")
	switch {
	case kind == "manifests" && (!isDigest || reference == digest(manifest)):
		answer(w, manifestType, manifest)
	case kind == "blobs" && reference == digest(config):
		answer(w, configType, config)
	case kind == "blobs" && reference == r.digest:
		answer(w, layerType, r.layer)
	default:
		http.NotFound(w, req)
	}
}

// split takes REPOSITORY/KIND/REFERENCE apart.
func split(at string) (repository, kind, reference string) {
	at, reference = path.Split(at)
	at, kind = path.Split(strings.TrimSuffix(at, "/"))
	return strings.TrimSuffix(at, "/"), kind, reference
}

func answer(w http.ResponseWriter, mediaType string, content []byte) {
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Docker-Content-Digest", digest(content))
	w.Header().Set("Content-Length", fmt.Sprint(len(content)))
	_, _ = w.Write(content) // what a client does not get, it asks for again
}

// image is the manifest and the configuration of an image. Its name makes it one of its own.
func (r registry) image(name string) (manifest, configuration []byte) {
	c := images[name]
	if c.Cmd == nil && c.Entrypoint == nil {
		c.Cmd = []string{"sh"}
	}
	c.Env, c.WorkingDir, c.Labels = []string{"PATH=/bin"}, "/", map[string]string{"name": name}
	configuration = encode(map[string]any{
		"os": "linux", "architecture": runtime.GOARCH, "config": c,
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{r.digest}},
	})
	return encode(map[string]any{
		"schemaVersion": 2, "mediaType": manifestType,
		"config": descriptor(configType, configuration),
		"layers": []any{descriptor(layerType, r.layer)},
	}), configuration
}

func descriptor(mediaType string, content []byte) map[string]any {
	return map[string]any{"mediaType": mediaType, "digest": digest(content), "size": len(content)}
}

func digest(content []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(content)) }

func encode(v any) []byte {
	content, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings and numbers
	}
	return content
}
