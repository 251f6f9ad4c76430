// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package await

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"
)

// daemonSet is what counts of one.
type daemonSet struct {
	Metadata struct {
		Generation int64 `json:"generation"`
	} `json:"metadata"`
	Status struct {
		ObservedGeneration     int64 `json:"observedGeneration"`
		DesiredNumberScheduled int   `json:"desiredNumberScheduled"`
		UpdatedNumberScheduled int   `json:"updatedNumberScheduled"`
		NumberReady            int   `json:"numberReady"`
	} `json:"status"`
}

// DaemonSet waits until all pods of a DaemonSet are ready, and prints how far it is. It
// asks every so often.
func (c *Cluster) DaemonSet(ctx context.Context, w io.Writer, namespace, name string, timeout, every time.Duration) error {
	within, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	at, said := fmt.Sprintf("/apis/apps/v1/namespaces/%s/daemonsets/%s", url.PathEscape(namespace), url.PathEscape(name)), ""
	for {
		d := daemonSet{}
		err := c.get(within, at, &d)
		line := d.progress()
		if err != nil {
			line = err.Error() // a server that starts, rights that are being given: it may yet come
		}
		if line != said && (within.Err() == nil || said == "") {
			fmt.Fprintln(w, line)
			said = line
		}
		if err == nil && d.ready() {
			return nil
		}
		select {
		case <-within.Done():
		case <-time.After(every):
			continue
		}
		if ctx.Err() != nil {
			return errors.New("was ended before all pods were ready")
		}
		return fmt.Errorf("after %s not all pods of DaemonSet %s/%s are ready: %s: kubectl -n %[2]s describe pods says why", timeout, namespace, name, said)
	}
}

func (d *daemonSet) ready() bool {
	s := d.Status
	return s.ObservedGeneration >= d.Metadata.Generation && s.ObservedGeneration > 0 &&
		s.NumberReady == s.DesiredNumberScheduled && s.UpdatedNumberScheduled == s.DesiredNumberScheduled
}

func (d *daemonSet) progress() string {
	if d.Status.ObservedGeneration < max(1, d.Metadata.Generation) {
		return "the DaemonSet is new: its controller has not seen it yet"
	}
	return fmt.Sprintf("%d of %d pods are ready", d.Status.NumberReady, d.Status.DesiredNumberScheduled)
}
