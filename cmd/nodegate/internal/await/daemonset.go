// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package await

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// daemonSet is what counts of one.
type daemonSet struct {
	Metadata struct {
		UID        string `json:"uid"`
		Generation int64  `json:"generation"`
	} `json:"metadata"`
	Status struct {
		ObservedGeneration     int64 `json:"observedGeneration"`
		DesiredNumberScheduled int   `json:"desiredNumberScheduled"`
		UpdatedNumberScheduled int   `json:"updatedNumberScheduled"`
		NumberReady            int   `json:"numberReady"`
	} `json:"status"`
}

// DaemonSet waits until all pods of a DaemonSet are ready, and prints how far it is. When
// the time is over it prints what hinders the others. It asks every so often.
func (c *Cluster) DaemonSet(ctx context.Context, w io.Writer, namespace, name string, timeout, every time.Duration) error {
	within, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var last daemonSet
	at, said := fmt.Sprintf("/apis/apps/v1/namespaces/%s/daemonsets/%s", url.PathEscape(namespace), url.PathEscape(name)), ""
	for {
		d := daemonSet{}
		err := c.get(within, at, &d)
		line := d.progress()
		if err != nil {
			line = err.Error() // a server that starts, rights that are being given: it may yet come
		} else {
			last = d
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
		return c.late(ctx, w, namespace, name, timeout, last, said)
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

// late says what hinders the pods that are not ready.
func (c *Cluster) late(ctx context.Context, w io.Writer, namespace, name string, timeout time.Duration, d daemonSet, said string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if d.Metadata.UID == "" {
		return fmt.Errorf("DaemonSet %s/%s could not be read within %s: %s", namespace, name, timeout, said)
	}
	var list struct {
		Items []pod `json:"items"`
	}
	err := c.get(ctx, fmt.Sprintf("/api/v1/namespaces/%s/pods", url.PathEscape(namespace)), &list)
	var answer *answerError
	if errors.As(err, &answer) && answer.code == http.StatusForbidden {
		fmt.Fprintln(w, "which pods are not ready is not known: this service account may not list pods")
	} else if err != nil {
		fmt.Fprintln(w, "which pods are not ready is not known:", err)
	}
	var waiting []string
	for i := range list.Items {
		if p := &list.Items[i]; p.of(d.Metadata.UID) && !p.ready() {
			fmt.Fprintln(w, p.hindrance())
			waiting = append(waiting, p.Metadata.Name)
		}
	}
	which := ""
	if len(waiting) > 0 {
		which = " (" + strings.Join(waiting, ", ") + ")"
	}
	return fmt.Errorf("after %s not all pods of DaemonSet %s/%s are ready: %s%s", timeout, namespace, name, d.progress(), which)
}
