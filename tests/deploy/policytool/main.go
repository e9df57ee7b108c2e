// Policytool runs the API server's own code over our manifests: strict decoding of every kind that Kubernetes has, and
// evaluation of admission policies on an object. SPDX-License-Identifier: Apache-2.0
//
//	policytool decode < OBJECTS              one JSON object a line; prints what is wrong with each, exit 1 if any is
//	policytool admit NAMESPACE [USER] < OBJECTS     policies, then the object as the last line; prints it mutated by the
//	                                         mutating ones, or what the validating ones say against it (exit 1)
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apiserver/pkg/admission"
	plugincel "k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/policy/mutating/patch"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/client-go/kubernetes/scheme"
)

// Who makes the request; nobody in particular where a test does not say.
var asking *user.DefaultInfo

func main() {
	if len(os.Args) == 2 && os.Args[1] == "decode" {
		os.Exit(decodeAll(readObjects()))
	}
	if len(os.Args) >= 3 && os.Args[1] == "admit" {
		if len(os.Args) == 4 { // {"Name": ..., "Extra": {...}}: who asks
			asking = &user.DefaultInfo{}
			fatal(json.Unmarshal([]byte(os.Args[3]), asking))
		}
		os.Exit(admit(os.Args[2], readObjects()))
	}
	fmt.Fprintln(os.Stderr, "usage: policytool decode | admit NAMESPACE [USER]")
	os.Exit(64)
}

func fatal(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "policytool:", err)
		os.Exit(2)
	}
}

func readObjects() [][]byte {
	var objects [][]byte
	scanner := bufio.NewScanner(os.Stdin)
	scanner.Buffer(nil, 16<<20)
	for scanner.Scan() {
		objects = append(objects, append([]byte(nil), scanner.Bytes()...))
	}
	fatal(scanner.Err())
	return objects
}

var strict = serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()

func decodeAll(objects [][]byte) int {
	result := 0
	for _, raw := range objects {
		var head metav1.TypeMeta
		var meta struct{ Metadata metav1.ObjectMeta }
		fatal(json.Unmarshal(raw, &head))
		_ = json.Unmarshal(raw, &meta)
		name := fmt.Sprintf("%s %s %s", head.APIVersion, head.Kind, meta.Metadata.Name)
		_, _, err := strict.Decode(raw, nil, nil)
		switch {
		case err == nil:
			fmt.Println("ok:", name)
		case runtime.IsNotRegisteredError(err):
			fmt.Println("not a kind of Kubernetes itself:", name)
		default:
			fmt.Printf("wrong: %s: %v\n", name, err)
			result = 1
		}
	}
	return result
}

// What a policy is evaluated on.
type request struct {
	namespace  string
	object     *unstructured.Unstructured
	attributes *admission.VersionedAttributes
}

func newRequest(namespace string, object *unstructured.Unstructured) request {
	kind := object.GroupVersionKind()
	resource := schema.GroupVersionResource{Group: kind.Group, Version: kind.Version, Resource: strings.ToLower(kind.Kind) + "s"}
	var typed runtime.Object = object
	if made, err := scheme.Scheme.New(kind); err == nil {
		fatal(runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, made))
		typed = made
	}
	var who user.Info
	if asking != nil {
		who = asking
	}
	attributes := admission.NewAttributesRecord(typed, nil, kind, namespace, object.GetName(), resource, "",
		admission.Create, &metav1.CreateOptions{}, false, who)
	return request{namespace, object, &admission.VersionedAttributes{
		Attributes: attributes, VersionedKind: kind, VersionedObject: typed}}
}

func selects(constraints *admissionv1.MatchResources, r request) bool {
	if constraints == nil {
		return false
	}
	if constraints.ObjectSelector != nil {
		selector, err := metav1.LabelSelectorAsSelector(constraints.ObjectSelector)
		fatal(err)
		if !selector.Matches(labels.Set(r.object.GetLabels())) {
			return false
		}
	}
	resource := r.attributes.GetResource()
	for _, rule := range constraints.ResourceRules {
		if contains(rule.APIGroups, resource.Group) && contains(rule.APIVersions, resource.Version) &&
			contains(rule.Resources, resource.Resource) && containsOperation(rule.Operations) {
			return true
		}
	}
	return false
}

func contains(list []string, want string) bool {
	for _, each := range list {
		if each == want || each == "*" {
			return true
		}
	}
	return false
}

func containsOperation(list []admissionv1.OperationType) bool {
	for _, each := range list {
		if each == admissionv1.Create || each == admissionv1.OperationAll {
			return true
		}
	}
	return false
}

func newCompiler(variables []admissionv1.Variable) *plugincel.CompositedCompiler {
	compiler, err := plugincel.NewCompositedCompiler(environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion()))
	fatal(err)
	var named []plugincel.NamedExpressionAccessor
	for _, v := range variables {
		named = append(named, &validating.Variable{Name: v.Name, Expression: v.Expression})
	}
	compiler.CompileAndStoreVariables(named, plugincel.OptionalVariableDeclarations{HasAuthorizer: true}, environment.StoredExpressions)
	return compiler
}

func conditionsHold(compiler *plugincel.CompositedCompiler, conditions []admissionv1.MatchCondition, name string, r request) bool {
	if len(conditions) == 0 {
		return true
	}
	var expressions []plugincel.ExpressionAccessor
	for i := range conditions {
		expressions = append(expressions, (*matchconditions.MatchCondition)(&conditions[i]))
	}
	fail := admissionv1.Fail
	options := plugincel.OptionalVariableDeclarations{HasAuthorizer: true}
	matcher := matchconditions.NewMatcher(compiler.CompileCondition(expressions, options, environment.StoredExpressions), &fail, "policy", "validate", name)
	result := matcher.Match(context.Background(), r.attributes, nil, nil)
	fatal(result.Error)
	if !result.Matches {
		fmt.Fprintf(os.Stderr, "%s: condition %q does not hold\n", name, result.FailedConditionName)
	}
	return result.Matches
}

func mutate(policy *admissionv1.MutatingAdmissionPolicy, namespace string, object *unstructured.Unstructured) *unstructured.Unstructured {
	r := newRequest(namespace, object)
	if !selects(policy.Spec.MatchConstraints, r) {
		return object
	}
	compiler := newCompiler(policy.Spec.Variables)
	if !conditionsHold(compiler, policy.Spec.MatchConditions, policy.Name, r) {
		return object
	}
	for _, mutation := range policy.Spec.Mutations {
		options := plugincel.OptionalVariableDeclarations{HasAuthorizer: true, HasPatchTypes: true}
		evaluator := compiler.CompileMutatingEvaluator(&patch.JSONPatchCondition{Expression: mutation.JSONPatch.Expression}, options, environment.StoredExpressions)
		for _, err := range evaluator.CompilationErrors() {
			fatal(err)
		}
		changed, err := patch.NewJSONPatcher(evaluator).Patch(compiler.CreateContext(context.Background()), patch.Request{
			MatchedResource: r.attributes.GetResource(), VersionedAttributes: r.attributes,
			ObjectInterfaces: admission.NewObjectInterfacesFromScheme(scheme.Scheme),
			Namespace:        &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}},
		}, celconfig.RuntimeCELCostBudget)
		fatal(err)
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(changed)
		fatal(err)
		object = &unstructured.Unstructured{Object: content}
		object.SetGroupVersionKind(r.attributes.VersionedKind)
		r = newRequest(namespace, object)
	}
	return object
}

// What the policy says against the object; each line is one complaint.
func validate(policy *admissionv1.ValidatingAdmissionPolicy, namespace string, object *unstructured.Unstructured) []string {
	r := newRequest(namespace, object)
	if !selects(policy.Spec.MatchConstraints, r) {
		return nil
	}
	compiler := newCompiler(policy.Spec.Variables)
	if !conditionsHold(compiler, policy.Spec.MatchConditions, policy.Name, r) {
		return nil
	}
	var expressions, messages []plugincel.ExpressionAccessor
	for _, v := range policy.Spec.Validations {
		expressions = append(expressions, &validating.ValidationCondition{Expression: v.Expression, Message: v.Message, Reason: v.Reason})
		if v.MessageExpression == "" {
			messages = append(messages, nil)
		} else {
			messages = append(messages, &validating.MessageExpressionCondition{MessageExpression: v.MessageExpression})
		}
	}
	options := plugincel.OptionalVariableDeclarations{HasAuthorizer: true}
	validator := validating.NewValidator(compiler.CompileCondition(expressions, options, environment.StoredExpressions), nil,
		compiler.CompileCondition(nil, options, environment.StoredExpressions),
		compiler.CompileCondition(messages, plugincel.OptionalVariableDeclarations{}, environment.StoredExpressions), policy.Spec.FailurePolicy, nil)
	result := validator.Validate(compiler.CreateContext(context.Background()), r.attributes.GetResource(), r.attributes, nil,
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, celconfig.RuntimeCELCostBudget, nil)
	var complaints []string
	for _, decision := range result.Decisions {
		if decision.Action != validating.ActionAdmit || decision.Evaluation == validating.EvalError {
			complaints = append(complaints, fmt.Sprintf("%s: %s", policy.Name, decision.Message))
		}
	}
	return complaints
}

func admit(namespace string, objects [][]byte) int {
	object := &unstructured.Unstructured{}
	fatal(json.Unmarshal(objects[len(objects)-1], &object.Object))
	object.SetNamespace(namespace)
	result := 0
	for _, raw := range objects[:len(objects)-1] {
		decoded, _, err := strict.Decode(raw, nil, nil)
		fatal(err)
		switch policy := decoded.(type) {
		case *admissionv1.MutatingAdmissionPolicy:
			object = mutate(policy, namespace, object)
		case *admissionv1.ValidatingAdmissionPolicy:
			for _, complaint := range validate(policy, namespace, object) {
				fmt.Fprintln(os.Stderr, complaint)
				result = 1
			}
		}
	}
	fatal(json.NewEncoder(os.Stdout).Encode(object.Object))
	return result
}
