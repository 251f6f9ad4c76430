// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package annotations

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/nodegate/nodegate/plugin/policy"
)

// maxText bounds what is parsed, in bytes. The engine allows less.
const maxText = 64 << 10

// maxShown bounds what an error repeats of the text, in bytes.
const maxShown = 40

var errForm = errors.New(`write a YAML list as in "- path: /dev/fuse"`)

// YAML reads lists of devices as device-injector and GKE's injector take them.
type YAML struct{}

var _ policy.DeviceReader = YAML{}

// ReadDevices reads one list:
// mappings with path and, optionally, type, major, minor, file_mode, uid and gid.
// An empty text is an empty list. An error says what to write.
func (YAML) ReadDevices(text string) ([]policy.RequestedDevice, error) {
	if len(text) > maxText || !utf8.ValidString(text) {
		return nil, errForm
	}
	d := yaml.NewDecoder(bytes.NewReader([]byte(text)))
	var root, second yaml.Node
	switch err := d.Decode(&root); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, unreadable(err)
	}
	if err := d.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, errors.New("it has more than one document: write one list")
	}
	if err := plain(&root); err != nil {
		return nil, err
	}
	list := root.Content[0] // a document has one
	switch {
	case list.Kind == yaml.ScalarNode && list.ShortTag() == "!!null":
		return nil, nil
	case list.Kind != yaml.SequenceNode:
		return nil, errForm
	}
	var devices []policy.RequestedDevice
	for _, item := range list.Content {
		device, err := readDevice(item)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", item.Line, err)
		}
		devices = append(devices, device)
	}
	return devices, nil
}

// unreadable puts the parser's words, which may hold what the author wrote, on
// one line.
func unreadable(err error) error {
	text := strings.TrimPrefix(strings.Join(strings.Fields(err.Error()), " "), "yaml: ")
	return fmt.Errorf("%s: %w", shown(text, 2*maxShown), errForm)
}

// plain refuses what a list of devices needs not.
func plain(n *yaml.Node) error {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		return fmt.Errorf("line %d: it has an anchor or an alias: write each device out", n.Line)
	case n.Style&yaml.TaggedStyle != 0:
		return fmt.Errorf("line %d: it has the tag %q: leave it out", n.Line, shown(n.Tag, maxShown))
	case n.Kind == yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].ShortTag() == "!!merge" {
				return fmt.Errorf("line %d: it has a merge key: write each device out", n.Line)
			}
		}
	}
	for _, c := range n.Content {
		if err := plain(c); err != nil {
			return err
		}
	}
	return nil
}

func readDevice(item *yaml.Node) (policy.RequestedDevice, error) {
	var device policy.RequestedDevice
	if item.Kind != yaml.MappingNode {
		return device, errForm
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(item.Content); i += 2 {
		// The other tools take keys in any case, as JSON in Go does.
		key, value := strings.ToLower(item.Content[i].Value), item.Content[i+1]
		if seen[key] {
			return device, fmt.Errorf("%q is written twice: keep one", shown(key, maxShown))
		}
		seen[key] = true
		if err := set(&device, key, value); err != nil {
			return device, err
		}
	}
	if !seen["path"] {
		return device, errors.New("a device has no path: write one, as in path: /dev/fuse")
	}
	return device, nil
}

func set(device *policy.RequestedDevice, key string, value *yaml.Node) (err error) {
	var n int64
	switch key {
	case "path", "type":
		if value.Kind != yaml.ScalarNode || value.ShortTag() != "!!str" {
			return fmt.Errorf("%s is not text: write it as in %s", key, map[string]string{"path": "path: /dev/fuse", "type": "type: c"}[key])
		}
		if key == "path" {
			device.Path = value.Value
			return nil
		}
		if value.Value != "c" && value.Value != "b" {
			return fmt.Errorf("type is %q: write c for a character device, b for a block device", shown(value.Value, maxShown))
		}
		device.Type = value.Value
	case "major":
		device.Major.Value, err = number(key, value, math.MaxInt32)
		device.Major.OK = true
	case "minor":
		device.Minor.Value, err = number(key, value, math.MaxInt32)
		device.Minor.OK = true
	case "file_mode":
		n, err = number(key, value, 0o7777)
		device.Mode = policy.Is(fs.FileMode(n))
	case "uid":
		n, err = number(key, value, math.MaxUint32-1)
		device.UID = policy.Is(uint32(n))
	case "gid":
		n, err = number(key, value, math.MaxUint32-1)
		device.GID = policy.Is(uint32(n))
	default:
		return fmt.Errorf("%q is not a key of a device: write path, type, major, minor, file_mode, uid, gid", shown(key, maxShown))
	}
	return err
}

// number reads a whole number, octal with a leading 0 as YAML 1.1 and 1.2 have it.
func number(key string, value *yaml.Node, most int64) (int64, error) {
	n, err := strconv.ParseInt(value.Value, 0, 64)
	if value.Kind != yaml.ScalarNode || value.ShortTag() != "!!int" || err != nil || n < 0 || n > most {
		return 0, fmt.Errorf("%s is %q: write a whole number from 0 to %d", key, shown(value.Value, maxShown), most)
	}
	return n, nil
}

func shown(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
