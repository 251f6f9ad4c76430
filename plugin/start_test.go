// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"strings"
	"testing"

	"github.com/nodegate/nodegate/plugin/record"
)

// Under a handler of the wrapper nothing starts that no record was carried out for, and
// the sentence says which of the two is missing.
func TestStartWithoutTheWrapper(t *testing.T) {
	needRoot(t)
	p := newTestPlugin(t, t.TempDir())
	p.SetPolicy(t.Context(), parsed(t, "version = 1\nruntime.handlers = [\"nodegate\"]\n"))
	pod, ctr := testPod(""), testContainer("c1")
	pod.RuntimeHandler = "nodegate"
	if err := p.StartContainer(t.Context(), pod, ctr); err == nil || !strings.HasSuffix(err.Error(), "was created while no nodegate agent was there: it has to be created again, which the kubelet does by itself [not_carried]") {
		t.Errorf("without a record: %v", err)
	}
	ctr = create(t, p, pod, "c2")
	if err := p.StartContainer(t.Context(), pod, ctr); err == nil || !strings.Contains(err.Error(), `was created without nodegate-runc: the runtime handler "nodegate" must have it as its BinaryName`) {
		t.Errorf("without an acknowledgement: %v", err)
	}
	if is, _ := p.handlers.Load().wraps("nodegate"); !is.OK || is.Value {
		t.Errorf("the handler counts as %+v", is)
	}
	if err := p.node.Records.Acknowledge("c2", ctr.Annotations[record.Annotation]); err != nil {
		t.Fatal(err)
	}
	if err := p.StartContainer(t.Context(), pod, ctr); err != nil {
		t.Errorf("carried out: %v", err)
	}
	if is, _ := p.handlers.Load().wraps("nodegate"); !is.OK || !is.Value {
		t.Errorf("the handler counts as %+v", is)
	}
}
