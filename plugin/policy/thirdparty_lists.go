// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"path"
	"slices"
	"strings"
)

// readPaths reads devices as CRI-O takes them, and as "docker run --device" does:
// PATH[:CONTAINER-PATH][:ACCESS], with commas between them. See
// https://github.com/cri-o/cri-o/blob/main/docs/crio.conf.5.md
func (r *Request) readPaths(f ThirdParty, from *annotation) ([]thirdPartyRequest, *Refusal) {
	var requests []thirdPartyRequest
	if from.value == "" {
		return nil, nil
	}
	for text := range strings.SplitSeq(from.value, ",") {
		d, ok := parsePaths(text)
		if !ok {
			return nil, r.Refuse(BadRequest, from.key, `asks by its annotation %q for %s`,
				from.key, quote(text)).Advise(`write paths from the root and in their shortest form, as in "/dev/fuse:/dev/fuse:rw"`)
		}
		if !slices.ContainsFunc(requests, func(a thirdPartyRequest) bool { return *a.device == d }) {
			requests = append(requests, thirdPartyRequest{party: f, key: from.key, device: &d})
		}
	}
	if len(requests) > maxDevices {
		return nil, r.Refuse(BadRequest, from.key, "asks by its annotation %q for %d devices", from.key, len(requests)).Advise("write at most %d", maxDevices)
	}
	return requests, nil
}

func parsePaths(text string) (d RequestedDevice, ok bool) {
	parts := strings.Split(text, ":")
	if last := len(parts) - 1; last > 0 && isAccess(parts[last]) {
		d.Access, parts = parts[last], parts[:last]
	}
	if len(parts) > 2 {
		return d, false
	}
	d.Source = parts[0]
	d.Path = parts[len(parts)-1]
	return d, isClean(d.Source) && isClean(d.Path)
}

func isClean(p string) bool { return strings.HasPrefix(p, "/") && path.Clean(p) == p }

// isAccess reports whether it is letters of r, w and m, each once at most.
func isAccess(s string) bool {
	for i := range len(s) {
		if !strings.ContainsAny(s[i:i+1], "rwm") || strings.Contains(s[:i], s[i:i+1]) {
			return false
		}
	}
	return s != ""
}

// readCDI reads qualified names of CDI devices with commas between them.
func (r *Request) readCDI(f ThirdParty, from *annotation) ([]thirdPartyRequest, *Refusal) {
	var requests []thirdPartyRequest
	if from.value == "" {
		return nil, nil
	}
	for name := range strings.SplitSeq(from.value, ",") {
		if !IsCDIName(name) {
			return nil, r.Refuse(BadRequest, from.key, `asks by its annotation %s for CDI device %s`,
				quote(from.key), quote(name)).Advise(`write names as in "vendor.com/class=name", with commas between them`)
		}
		if !slices.ContainsFunc(requests, func(a thirdPartyRequest) bool { return a.cdi == name }) {
			requests = append(requests, thirdPartyRequest{party: f, key: clip(from.key, maxName), cdi: name})
		}
	}
	return requests, nil
}

// IsCDIName reports whether it is a qualified name: "vendor.com/class=name". See
// https://github.com/cncf-tags/container-device-interface/blob/main/SPEC.md
func IsCDIName(s string) bool {
	vendor, rest, ok := strings.Cut(s, "/")
	class, name, named := strings.Cut(rest, "=")
	return ok && named && isCDIPart(vendor, "_.-", true) && isCDIPart(class, "_.-", true) && isCDIPart(name, "_.:-", false)
}

// isCDIPart reports whether a part has letters, digits, and some others between them.
func isCDIPart(s, between string, letterFirst bool) bool {
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		digit := c >= '0' && c <= '9'
		switch {
		case letter:
		case digit && (i > 0 || !letterFirst):
		case i == 0 || i == len(s)-1 || strings.IndexByte(between, c) < 0:
			return false
		}
	}
	return s != ""
}
