// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"fmt"
	"net"
	"net/http"
	"testing"

	"github.com/nodegate/nodegate/config"
)

func TestAskAgent(t *testing.T) {
	for name, tc := range map[string]struct {
		code int // 0 for no agent
		text string
		want Agent
	}{
		"absent":    {0, "", Agent{}},
		"ready":     {200, "ready", Agent{Ready: true}},
		"remark":    {200, "ready\ntwo lack something", Agent{Ready: true, Says: "two lack something"}},
		"not ready": {503, "not registered with the runtime:\nnot yet", Agent{Says: "not registered with the runtime: not yet"}},
	} {
		t.Run(name, func(t *testing.T) {
			socket := t.TempDir() + "/s.sock"
			tc.want.Listen = "unix://" + socket
			if tc.code != 0 {
				answering(t, socket, tc.code, tc.text)
			}
			c, err := config.Parse("test", fmt.Appendf(nil, "version = 1\nserver.listen = %q\n", tc.want.Listen))
			if err != nil {
				t.Fatal(err)
			}
			a := (&gatherer{config: c}).agent(t.Context())
			if absent := a.Value.Err; (absent == nil) != (tc.code != 0) {
				t.Errorf("%v", absent)
			}
			a.Value.Err = nil
			if a != fact(tc.want) {
				t.Errorf("%+v, want %+v", a, tc.want)
			}
		})
	}
}

func answering(t *testing.T, socket string, code int, text string) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		fmt.Fprintln(w, text)
	})
	server := &http.Server{Handler: mux}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
}
