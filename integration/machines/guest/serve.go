// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nodegate/nodegate/integration/machines/wire"
)

// serve answers one caller after the other, for as long as the machine runs.
func serve() error {
	path, err := findPort()
	if err != nil {
		return err
	}
	for {
		if err := serveOne(path); err != nil {
			fmt.Fprintln(os.Stderr, "guest:", err)
			time.Sleep(time.Second)
		}
	}
}

// serveOne serves until the caller goes away.
func serveOne(path string) error {
	port, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("opening the port: %w", err)
	}
	defer port.Close()
	// Without a caller a read returns at once, with nothing.
	if err := wire.Accept(patient{port}); err != nil {
		return err
	}
	conn := wire.NewConn(port)
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	server := http.Server{Handler: handler(), Protocols: &protocols}
	_ = server.Serve(wire.ListenOne(conn)) // it ends with the connection
	return nil
}

func handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+wire.RunPath, run)
	mux.HandleFunc("POST "+wire.DialPath, dial)
	return mux
}

// patient waits where there is no caller yet.
type patient struct{ *os.File }

func (p patient) Read(b []byte) (int, error) {
	for {
		n, err := p.File.Read(b)
		if err != io.EOF && (n > 0 || err != nil) {
			return n, err
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// findPort waits for the port of the agreed name.
func findPort() (string, error) {
	for range 600 {
		names, err := filepath.Glob("/sys/class/virtio-ports/*/name")
		if err != nil {
			return "", err
		}
		for _, file := range names {
			if name, err := os.ReadFile(file); err == nil && strings.TrimSpace(string(name)) == wire.PortName {
				return filepath.Join("/dev", filepath.Base(filepath.Dir(file))), nil
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	return "", fmt.Errorf("there is no virtio port named %q", wire.PortName)
}

// dial connects the caller with a socket of the machine.
func dial(w http.ResponseWriter, r *http.Request) {
	conn, err := net.Dial(r.URL.Query().Get("network"), r.URL.Query().Get("address"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer conn.Close()
	w.WriteHeader(http.StatusOK)
	out := flushing(w)
	_, _ = out.Write(nil)
	go func() {
		_, _ = io.Copy(conn, r.Body)
		if half, ok := conn.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		}
	}()
	_, _ = io.Copy(out, conn)
}
