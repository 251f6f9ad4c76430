// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/config"
)

// BenchmarkCheck is what the agent spends on it at each load: a thousand grants with
// two findings each.
func BenchmarkCheck(b *testing.B) {
	var text strings.Builder
	text.WriteString("version = 1\n")
	for i := range 1000 {
		fmt.Fprintf(&text, "[[grants]]\nprofiles = [\"mknod\", \"no-mknod\"]\nnamespaces = [\"n%d-*\"]\n", i)
	}
	c, err := config.Parse("c", []byte(text.String()))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if len(Check(c)) < 2000 {
			b.Fatal("found too little")
		}
	}
}
