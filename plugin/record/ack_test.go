// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package record

import (
	"os"
	"strings"
	"testing"
)

func TestAcknowledge(t *testing.T) {
	s := newStore(t)
	r := full(t, "c1")
	acknowledged := func(id, nonce string) bool {
		t.Helper()
		ok, err := s.Acknowledged(id, nonce)
		must(t, err)
		return ok
	}
	if acknowledged("c1", r.Nonce) {
		t.Error("acknowledged before there is a store")
	}
	must(t, s.Write(r))
	if acknowledged("c1", r.Nonce) {
		t.Error("acknowledged before anybody did")
	}
	must(t, s.Acknowledge("c1", r.Nonce))
	must(t, s.Acknowledge("c1", r.Nonce)) // a container may be created again
	if !acknowledged("c1", r.Nonce) {
		t.Error("not acknowledged")
	}
	if acknowledged("c1", full(t, "c1").Nonce) || acknowledged("c1", "") || acknowledged("c2", r.Nonce) {
		t.Error("it counts for another record too")
	}
	records, err := s.List()
	must(t, err)
	if len(records) != 1 {
		t.Errorf("%d records, want 1: an acknowledgement is none", len(records))
	}
	must(t, s.Remove("c1"))
	if acknowledged("c1", r.Nonce) {
		t.Error("it outlived its record")
	}
	wantError(t, s.Acknowledge("../c1", r.Nonce), "is not a container id")
}

func TestSweepRemovesAcknowledgements(t *testing.T) {
	s := newStore(t)
	for _, id := range []string{"live", "gone", "lost"} {
		must(t, s.Write(full(t, id)))
		must(t, s.Acknowledge(id, full(t, id).Nonce))
	}
	must(t, os.Remove(s.Path("lost"))) // its acknowledgement alone is left
	_, err := s.Sweep(func(id string) bool { return id == "live" })
	must(t, err)
	for id, want := range map[string]bool{"live": true, "gone": false, "lost": false} {
		_, err := os.Stat(strings.TrimSuffix(s.Path(id), suffix) + ackSuffix)
		if got := err == nil; got != want {
			t.Errorf("%s: is there: %v, want %v", id, got, want)
		}
	}
}

func TestAcknowledgedRefuses(t *testing.T) {
	s := newStore(t)
	r := full(t, "c1")
	must(t, s.Write(r))
	must(t, s.Acknowledge("c1", r.Nonce))
	must(t, os.Chmod(strings.TrimSuffix(s.Path("c1"), suffix)+ackSuffix, 0o666))
	_, err := s.Acknowledged("c1", r.Nonce)
	wantError(t, err, "others than root can write it")
}
