// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package wire is what the two ends of a machine's serial port agree on: a greeting, and
// then HTTP/2, which carries many commands at once and ends each by itself.
package wire

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// What both ends call things.
const (
	PortName      = "nodegate.guest"
	RunPath       = "/run"
	DialPath      = "/dial"
	CommandHeader = "Command" // JSON of a Command
	ExitTrailer   = "Exit"    // the exit code, or why there is none
)

// Command is a program to run on the machine.
type Command struct {
	Args []string `json:"args"`
	Env  []string `json:"env,omitempty"`
}

// greeting begins a line of the caller's. Whatever was left in the port by an earlier
// caller, who may have been killed, ends before it.
const greeting = "nodegate-machine "

// Accept waits for a caller's greeting and returns it. It reads no byte further.
func Accept(port io.ReadWriter) error {
	for {
		line, err := readLine(port)
		if err != nil {
			return fmt.Errorf("waiting for a caller: %w", err)
		}
		if strings.HasPrefix(line, greeting) {
			if _, err := io.WriteString(port, line+"\n"); err != nil {
				return fmt.Errorf("greeting the caller: %w", err)
			}
			return nil
		}
	}
}

// Call greets the other end and waits for its answer, until the connection's deadline. A
// machine that boots hears the greeting when its program opens the port.
func Call(conn io.ReadWriter) error {
	token := make([]byte, 8)
	_, _ = rand.Read(token) // never fails
	hello := greeting + hex.EncodeToString(token)
	if _, err := io.WriteString(conn, "\n"+hello+"\n"); err != nil {
		return fmt.Errorf("greeting the machine: %w", err)
	}
	for {
		line, err := readLine(conn)
		if err != nil {
			return fmt.Errorf("waiting for the machine's greeting: %w", err)
		}
		if strings.HasSuffix(line, hello) {
			return nil
		}
	}
}

// readLine reads byte by byte, so that what follows the line is still to be read.
func readLine(r io.Reader) (string, error) {
	var line strings.Builder
	b := make([]byte, 1)
	for {
		if _, err := io.ReadFull(r, b); err != nil {
			return "", err
		}
		if b[0] == '\n' {
			return line.String(), nil
		}
		line.WriteByte(b[0])
	}
}

// Port is what a connection is made of: a file or a socket.
type Port interface {
	io.ReadWriteCloser
	SetDeadline(time.Time) error
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

// Conn is a port as a network connection.
type Conn struct {
	Port
	once sync.Once
	done chan struct{}
}

// NewConn makes one.
func NewConn(p Port) *Conn { return &Conn{Port: p, done: make(chan struct{})} }

// Close closes the port.
func (c *Conn) Close() error {
	c.once.Do(func() { close(c.done) })
	return c.Port.Close()
}

// LocalAddr names the port.
func (c *Conn) LocalAddr() net.Addr { return addr{} }

// RemoteAddr names the port, as LocalAddr does.
func (c *Conn) RemoteAddr() net.Addr { return addr{} }

type addr struct{}

func (addr) Network() string { return "virtio" }
func (addr) String() string  { return PortName }

// ListenOne is a listener that accepts this one connection, and ends with it.
func ListenOne(c *Conn) net.Listener {
	l := &listener{conn: make(chan *Conn, 1), of: c}
	l.conn <- c
	return l
}

type listener struct {
	conn chan *Conn
	of   *Conn
}

var errEnded = errors.New("the caller is gone")

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conn:
		return c, nil
	case <-l.of.done:
		return nil, errEnded
	}
}

func (l *listener) Close() error   { return nil }
func (l *listener) Addr() net.Addr { return addr{} }
