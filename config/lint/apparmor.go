// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"fmt"

	"github.com/nodegate/nodegate/plugin/change"
)

func (l *linter) apparmor(g *view) {
	for _, p := range g.parts {
		if p.AppArmor == change.Unconfined && !g.inUserNamespace(p.granted) {
			l.add("unconfined", g.of(p), fmt.Sprintf("%s gives apparmor = %q to pods without a user namespace", g.named(p), p.AppArmor),
				`write requires = { user_namespace = true } in the profile, or name an AppArmor profile`)
		}
	}
}
