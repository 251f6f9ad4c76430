// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/nodegate/nodegate/config"
)

func (l *linter) settings() {
	if l.config.Policy.Audit() {
		l.add("audit_mode", l.config.SettingPlace("mode"), `mode is "audit"`, `write mode = "enforce" when the trial is over`)
	}
	for _, listen := range l.config.Server.Listen {
		address, _ := strings.CutPrefix(listen, "tcp://")
		host, _, _ := net.SplitHostPort(address) // the loader knows it to parse
		if ip, err := netip.ParseAddr(host); err == nil && ip.IsUnspecified() {
			l.add("open_server", l.config.SettingPlace("server.listen"), fmt.Sprintf("server.listen is %q", listen), "write the address to listen at")
		}
	}
}

// sysctls looks at values that no pod with a user namespace takes.
func (l *linter) sysctls(p *config.Profile, at at) {
	const name = "net.ipv4.ping_group_range"
	value, ok := p.Sysctls[name]
	if !ok {
		return
	}
	for _, field := range strings.Fields(value) {
		if n, err := strconv.ParseUint(field, 10, 64); err == nil && n > 1<<16-1 {
			key := `sysctls."` + name + `"`
			l.add("ping_range", at(key), fmt.Sprintf("%s is %q", where(p, key), value), `write "0 {max_gid}"`)
			return
		}
	}
}
