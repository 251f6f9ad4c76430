// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A runtime that ends whenever it lists its pods is left alone from the second time on.
func TestRuntimeThatEndsIsLeftAlone(t *testing.T) {
	gone := fmt.Errorf("connecting to NRI: %w", unix.ECONNREFUSED)
	unlisted := fmt.Errorf("%w: large", errUnlisted)
	for name, tc := range map[string]struct {
		errs []error
		want []time.Duration
	}{
		"it is down":          {[]error{gone, gone, gone}, []time.Duration{0, 0, 0}},
		"it lists them never": {[]error{unlisted, unlisted, unlisted}, []time.Duration{0, 0, 0}},
		"it is restarted":     {[]error{unlisted, gone, gone, errClosed, gone}, []time.Duration{0, 0, 0, 0, 0}},
		"it ends each time":   {[]error{unlisted, gone, gone, unlisted, gone, gone, unlisted, gone}, []time.Duration{0, 0, 0, 0, runtimeRest, 0, 0, runtimeRest}},
	} {
		t.Run(name, func(t *testing.T) {
			var e ends
			var got []time.Duration
			for _, err := range tc.errs {
				got = append(got, e.rest(err))
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}
