// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package record

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/plugin/change"
)

// Version is the version of the format that this package writes, and the only
// one that it reads.
const Version = 2

// Annotation is the container annotation that holds the nonce of its record.
// The agent's reply sets it over anything that a pod wrote there.
const Annotation = "nodegate.dev/nonce"

// maxSize bounds a record, in bytes.
const maxSize = 16 << 20

// nonceSize is the size of a nonce in bytes, before it is written in hex.
const nonceSize = 16

// Record is the decision about one container.
type Record struct {
	Version     int    `json:"version"`
	ContainerID string `json:"containerId"`
	PodID       string `json:"podId"` // of the pod's sandbox
	Namespace   string `json:"namespace"`
	Pod         string `json:"pod"`
	Container   string `json:"container"` // its name within the pod
	Nonce       string `json:"nonce"`     // 128 random bits in lower-case hex

	Profiles []string `json:"profiles,omitempty"`
	// Units are those that the kubelet allotted to the container, by profile.
	Units map[string][]string `json:"units,omitempty"`
	// Definitions has, for each of Profiles, a hash of what that was.
	Definitions []string `json:"definitions,omitempty"`
	// Given is all that the container gets, by whatever channel. Its sysctls
	// hold for the whole pod, and its cgroup is handed over before the start.
	Given change.Adjustment `json:"given,omitzero"`
	// Adjustment is the part that the wrapper has to deliver.
	Adjustment change.Adjustment `json:"adjustment,omitzero"`
}

// New returns a record with a nonce and nothing else.
func New() (Record, error) {
	n, err := nonce()
	return Record{Version: Version, Nonce: n}, err
}

// nonce draws a nonce by the system call: crypto/rand would come with much
// that the wrapper has no use for. 16 bytes are never short.
func nonce() (string, error) {
	var n [nonceSize]byte
	if _, err := unix.Getrandom(n[:], 0); err != nil {
		return "", fmt.Errorf("drawing random bits: %w", err)
	}
	return hex.EncodeToString(n[:]), nil
}

// encode returns the record's file.
func (r *Record) encode() ([]byte, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	data, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	if len(data) >= maxSize {
		return nil, fmt.Errorf("%d bytes are more than a record may have", len(data))
	}
	return append(data, '\n'), nil
}

// decode reads a record's file. It takes nothing that it does not understand:
// half of an adjustment is worse than none.
func decode(data []byte) (Record, error) {
	var r Record
	parts := struct {
		*Record
		Given      json.RawMessage `json:"given"`
		Adjustment json.RawMessage `json:"adjustment"`
	}{Record: &r}
	err := strict(data, &parts)
	if err == nil {
		err = errors.Join(decodeAdjustment(parts.Given, &r.Given), decodeAdjustment(parts.Adjustment, &r.Adjustment))
	}
	if err != nil {
		return Record{}, explain(data, err)
	}
	if err := r.check(); err != nil {
		return Record{}, err
	}
	return r, nil
}

// decodeAdjustment reads one kind of change after another: encoding/json prepares itself
// for each type that a value may have, and most kinds are absent.
func decodeAdjustment(data []byte, into *change.Adjustment) error {
	if data == nil {
		return nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		return err
	}
	fields := reflect.ValueOf(into).Elem()
	for i := range fields.NumField() {
		name, _, _ := strings.Cut(fields.Type().Field(i).Tag.Get("json"), ",")
		if text, ok := members[name]; ok {
			if err := strict(text, fields.Field(i).Addr().Interface()); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			delete(members, name)
		}
	}
	for name := range members {
		return fmt.Errorf("json: unknown field %q", name)
	}
	return nil
}

// strict reads one value, and nothing that into has no room for.
func strict(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the record")
	}
	return nil
}

// explain names the version as the reason why a file does not decode, if it
// is another one, which may well have other members.
func explain(data []byte, err error) error {
	var head struct {
		Version int `json:"version"`
	}
	if json.Unmarshal(data, &head) == nil && head.Version != Version {
		return badVersion(head.Version)
	}
	return err
}

func badVersion(have int) error {
	return fmt.Errorf("version %d is not %d: another release of nodegate wrote it", have, Version)
}

// check makes sure of what every record has.
func (r *Record) check() error {
	if r.Version != Version {
		return badVersion(r.Version)
	}
	if err := checkID(r.ContainerID); err != nil {
		return err
	}
	// Decoding would take upper case as well, which no comparison expects.
	n, err := hex.DecodeString(r.Nonce)
	if err != nil || len(n) != nonceSize || hex.EncodeToString(n) != r.Nonce {
		return fmt.Errorf("nonce %q is not %d bytes in lower-case hex", r.Nonce, nonceSize)
	}
	return nil
}

// checkID makes sure that a name stays one: letters, digits, ".", "_" and "-",
// beginning with none of the latter three. Every runtime's ids are such.
func checkID(id string) error {
	for i, c := range id {
		switch {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
		case i > 0 && (c == '.' || c == '_' || c == '-'):
		default:
			return fmt.Errorf("%q is not a container id", id)
		}
	}
	if id == "" || len(id) > 200 {
		return fmt.Errorf("%q is not a container id", id)
	}
	return nil
}
