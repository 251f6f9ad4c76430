// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"context"
	"errors"
	"strings"
	"testing"

	celtypes "github.com/google/cel-go/cel"
	admissionv1 "k8s.io/api/admission/v1"
	v1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/cel"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/cel/environment"
)

// expression is one of a policy, and the type that it has to have.
type expression struct {
	name, text string
	is         *celtypes.Type
}

func (e *expression) GetName() string               { return e.name }
func (e *expression) GetExpression() string         { return e.text }
func (e *expression) ReturnTypes() []*celtypes.Type { return []*celtypes.Type{e.is} }

// rules is a ValidatingAdmissionPolicy as the API server compiles it.
type rules struct {
	conditions, validations, messages cel.ConditionEvaluator
}

// compile takes an expression only if Kubernetes of that version would.
func compile(t testing.TB, text string, kubernetes *version.Version) *rules {
	t.Helper()
	r, err := compiled(text, kubernetes)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func compiled(text string, kubernetes *version.Version) (*rules, error) {
	var p v1.ValidatingAdmissionPolicy
	if err := yaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 4096).Decode(&p); err != nil {
		return nil, err
	}
	compiler, err := cel.NewCompositedCompiler(environment.MustBaseEnvSet(kubernetes))
	if err != nil {
		return nil, err
	}
	var problems []error
	vars := cel.OptionalVariableDeclarations{}
	for _, v := range p.Spec.Variables {
		result := compiler.CompileAndStoreVariable(&expression{v.Name, v.Expression, celtypes.AnyType}, vars, environment.NewExpressions)
		if result.Error != nil {
			problems = append(problems, errors.New(v.Name+": "+result.Error.Error()))
		}
	}
	var conditions, validations, messages []cel.ExpressionAccessor
	for _, c := range p.Spec.MatchConditions {
		conditions = append(conditions, &expression{c.Name, c.Expression, celtypes.BoolType})
	}
	for _, v := range p.Spec.Validations {
		validations = append(validations, &expression{"", v.Expression, celtypes.BoolType})
		messages = append(messages, &expression{"", v.MessageExpression, celtypes.StringType})
	}
	r := &rules{
		compiler.CompileCondition(conditions, vars, environment.NewExpressions),
		compiler.CompileCondition(validations, vars, environment.NewExpressions),
		compiler.CompileCondition(messages, vars, environment.NewExpressions),
	}
	for _, c := range []cel.ConditionEvaluator{r.conditions, r.validations, r.messages} {
		problems = append(problems, c.CompilationErrors()...)
	}
	return r, errors.Join(problems...)
}

// verdict is what the API server makes of an object.
type verdict struct {
	denied  bool
	message string
	err     error // the rules cannot be evaluated
	cost    int64
}

// judge evaluates the rules as the API server does: conditions, validations, messages,
// within its budget.
func (r *rules) judge(kind, subresource string, object, old map[string]any, namespace string) (v verdict) {
	operation := admission.Create
	attr := &admission.VersionedAttributes{VersionedObject: &unstructured.Unstructured{Object: object}}
	if old != nil {
		operation = admission.Update
		attr.VersionedOldObject = &unstructured.Unstructured{Object: old}
	}
	attr.Attributes = admission.NewAttributesRecord(attr.VersionedObject, attr.VersionedOldObject, schema.GroupVersionKind{Version: "v1", Kind: kind},
		namespace, "", schema.GroupVersionResource{Version: "v1", Resource: "x"}, subresource, operation, nil, false, nil)
	request := &admissionv1.AdmissionRequest{Kind: metav1.GroupVersionKind{Version: "v1", Kind: kind}, Namespace: namespace, SubResource: subresource,
		Operation: admissionv1.Operation(operation)}
	left := int64(celconfig.RuntimeCELCostBudget)
	run := func(c cel.ConditionEvaluator, each func(result cel.EvaluationResult)) {
		if v.err != nil {
			return
		}
		var results []cel.EvaluationResult
		results, left, v.err = c.ForInput(context.Background(), attr, request, cel.OptionalVariableBindings{}, nil, left)
		for _, result := range results {
			if result.Error != nil {
				v.err = result.Error
				return
			}
			each(result)
		}
	}
	matches := true
	run(r.conditions, func(result cel.EvaluationResult) { matches = matches && result.EvalResult.Value().(bool) })
	if matches {
		run(r.validations, func(result cel.EvaluationResult) { v.denied = v.denied || !result.EvalResult.Value().(bool) })
	}
	if v.denied {
		run(r.messages, func(result cel.EvaluationResult) { v.message = result.EvalResult.Value().(string) })
	}
	v.cost = celconfig.RuntimeCELCostBudget - left
	return v
}
