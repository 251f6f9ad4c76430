// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package soak

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// histogram is one of Prometheus: how many took at most so long.
type histogram struct {
	bounds []float64 // seconds, ascending, +Inf at last
	upTo   []int
	count  int
}

var boundOf = regexp.MustCompile(`le="([^"]+)"`)

// readHistogram adds up all series of a metric that have the label.
func readHistogram(text, name, label string) (h histogram) {
	at := map[float64]int{}
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, name+"_bucket{")
		bound := boundOf.FindStringSubmatch(rest)
		fields := strings.Fields(rest)
		if !ok || bound == nil || !strings.Contains(rest, label) {
			continue
		}
		le, err := strconv.ParseFloat(bound[1], 64)
		n, err2 := strconv.Atoi(fields[len(fields)-1])
		if err != nil || err2 != nil {
			continue
		}
		i, have := at[le]
		if !have {
			i = len(h.bounds)
			at[le] = i
			h.bounds, h.upTo = append(h.bounds, le), append(h.upTo, 0)
		}
		h.upTo[i] += n
	}
	if len(h.upTo) > 0 {
		h.count = h.upTo[len(h.upTo)-1]
	}
	return h
}

// quantile is the bound of the bucket that has it: at most so long.
func (h histogram) quantile(q float64) time.Duration {
	for i, n := range h.upTo {
		if float64(n) >= q*float64(h.count) {
			if math.IsInf(h.bounds[i], 1) {
				return math.MaxInt64
			}
			return time.Duration(h.bounds[i] * float64(time.Second))
		}
	}
	return 0
}

func (h histogram) String() string {
	return fmt.Sprintf("%d requests, half within %v, 95%% within %v, 99%% within %v, all within %v", h.count,
		h.quantile(0.5), h.quantile(0.95), h.quantile(0.99), h.quantile(1))
}

func TestHistogram(t *testing.T) {
	const text = `# TYPE x_seconds histogram
x_seconds_bucket{op="A",le="0.005"} 3
x_seconds_bucket{op="A",le="0.01"} 98
x_seconds_bucket{op="A",le="1"} 100
x_seconds_bucket{op="A",le="+Inf"} 100
x_seconds_bucket{op="B",le="0.005"} 0
x_seconds_bucket{op="B",le="0.01"} 1
x_seconds_bucket{op="B",le="1"} 1
x_seconds_bucket{op="B",le="+Inf"} 1
x_seconds_count{op="A"} 100
`
	for label, want := range map[string]string{
		`op="A"`: "100 requests, half within 10ms, 95% within 10ms, 99% within 1s, all within 1s",
		"":       "101 requests, half within 10ms, 95% within 10ms, 99% within 1s, all within 1s",
		`op="C"`: "0 requests, half within 0s, 95% within 0s, 99% within 0s, all within 0s",
	} {
		if got := readHistogram(text, "x_seconds", label).String(); got != want {
			t.Errorf("%s: %s", label, got)
		}
	}
}
