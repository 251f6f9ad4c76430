// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package auditlog

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/containerd/log"

	"github.com/nodegate/nodegate/plugin/event"
)

const (
	waiting  = 1024                   // lines that may wait for a slow disk
	patience = 20 * time.Millisecond  // that a container waits for its line to be taken
	lastCall = 500 * time.Millisecond // that the end waits for the lines that are left
)

// Log writes events in the background: a container's start never waits for a
// disk, and where that hangs for long, lines are lost and counted. It is safe
// for concurrent use.
type Log struct {
	lines   chan []byte
	closed  chan struct{} // no more lines come
	flushed chan struct{} // all of them are written

	mu   sync.Mutex
	name string // where to; a new policy may replace it

	// Of the goroutine that writes.
	target *target
	said   string // the last problem that was logged

	errors  atomic.Uint64
	dropped atomic.Uint64
}

// Start starts a log, which has to be closed. It writes to nowhere until it is
// told where.
func Start(ctx context.Context) *Log {
	l := &Log{lines: make(chan []byte, waiting), closed: make(chan struct{}), flushed: make(chan struct{})}
	go l.write(context.WithoutCancel(ctx))
	return l
}

// To says where lines go from now on: "" for nowhere, "stderr", or an absolute
// path. What is wrong with a file is logged when it is written to.
func (l *Log) To(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.name = name
}

func (l *Log) where() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.name
}

// Event takes one to be written. It is a [event.Observer].
func (l *Log) Event(_ context.Context, o *event.Event) {
	if l.where() == "" {
		return
	}
	line := encode(o)
	select {
	case l.lines <- line:
		return
	default:
	}
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case l.lines <- line:
	case <-timeout.C:
		l.dropped.Add(1)
	}
}

// Errors returns how many lines could not be written, and how many were never
// tried since too many waited.
func (l *Log) Errors() (failed, dropped uint64) { return l.errors.Load(), l.dropped.Load() }

// Close ends the log. It returns when all lines are written, or after half a
// second. Events that come later are lost.
func (l *Log) Close() {
	close(l.closed)
	select {
	case <-l.flushed:
	case <-time.After(lastCall):
	}
}

func (l *Log) write(ctx context.Context) {
	defer close(l.flushed)
	defer func() { l.target.close() }()
	for {
		select {
		case line := <-l.lines:
			l.writeLine(ctx, line)
		case <-l.closed:
			for {
				select {
				case line := <-l.lines:
					l.writeLine(ctx, line)
				default:
					return
				}
			}
		}
	}
}

// writeLine logs a problem once, and that it is over.
func (l *Log) writeLine(ctx context.Context, line []byte) {
	name := l.where()
	if name == "" {
		return
	}
	if l.target == nil || l.target.name != name {
		l.target.close()
		l.target = &target{name: name}
	}
	err := l.target.write(line)
	said := ""
	if err != nil {
		l.errors.Add(1)
		said = err.Error()
	}
	was := l.said
	l.said = said
	switch {
	case said == was:
	case err != nil:
		log.G(ctx).WithError(err).Error("lost a line of the audit log; nodegate_audit_errors_total counts lost lines")
	default:
		log.G(ctx).Info("writing to the audit log again")
	}
}
