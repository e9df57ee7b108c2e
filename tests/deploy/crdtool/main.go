// Crdtool runs the API server's own code over our CRDs and objects of them: strict decoding, the checks of a CRD itself
// (structural schema, CEL compiled and its cost), and for objects unknown fields, defaults, schema and CEL.
// SPDX-License-Identifier: Apache-2.0
//
//	crdtool < LINES      one JSON object a line: CRDs first, then objects of them, or {"old": OBJECT, "new": OBJECT};
//	                     prints "ok: KIND NAME" or "wrong: KIND NAME: ..." for each; exit 1 if any is wrong
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/install"
	crdvalidation "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
)

// A kind of ours, ready to check objects.
type kind struct {
	structural *structuralschema.Structural
	schema     validation.SchemaValidator
	rules      *cel.Validator
}

var kinds = map[string]kind{}

func decodeCRD(raw []byte) (*apiextensions.CustomResourceDefinition, error) {
	scheme := runtime.NewScheme()
	install.Install(scheme)
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDecoder(apiextensions.SchemeGroupVersion)
	decoded, _, err := decoder.Decode(raw, nil, nil)
	if err != nil {
		return nil, err
	}
	return decoded.(*apiextensions.CustomResourceDefinition), nil
}

// Checks the CRD as an API server does when it is created, and keeps its kind.
func addCRD(raw []byte) error {
	crd, err := decodeCRD(raw)
	if err != nil {
		return err
	}
	for _, version := range crd.Spec.Versions { // what storing it would fill in
		crd.Status.StoredVersions = append(crd.Status.StoredVersions, version.Name)
	}
	if errs := crdvalidation.ValidateCustomResourceDefinition(context.Background(), crd); len(errs) > 0 {
		return errs.ToAggregate()
	}
	props := crd.Spec.Versions[0].Schema
	if props == nil {
		props = crd.Spec.Validation
	}
	structural, err := structuralschema.NewStructural(props.OpenAPIV3Schema)
	if err != nil {
		return err
	}
	schema, _, err := validation.NewSchemaValidator(props.OpenAPIV3Schema)
	if err != nil {
		return err
	}
	kinds[crd.Spec.Names.Kind] = kind{structural, schema, cel.NewValidator(structural, true, celconfig.PerCallLimit)}
	return nil
}

// What the API server says of the object, alone or as the successor of old.
func check(k kind, object, old map[string]interface{}) error {
	var errs field.ErrorList
	options := structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true}
	for _, path := range pruning.PruneWithOptions(object, k.structural, true, options) {
		errs = append(errs, field.Invalid(field.NewPath(path), "", "unknown field"))
	}
	defaulting.Default(object, k.structural)
	errs = append(errs, validation.ValidateCustomResource(nil, object, k.schema)...)
	errs = append(errs, listtype.ValidateListSetsAndMaps(nil, k.structural, object)...)
	if len(errs) == 0 && k.rules != nil {
		var before interface{}
		if old != nil {
			defaulting.Default(old, k.structural)
			before = old
		}
		found, _ := k.rules.Validate(context.Background(), nil, k.structural, object, before, celconfig.RuntimeCELCostBudget)
		errs = append(errs, found...)
	}
	return errs.ToAggregate()
}

func handle(raw []byte) (string, error) {
	var line map[string]interface{}
	if err := json.Unmarshal(raw, &line); err != nil {
		return "?", err
	}
	object, old := line, map[string]interface{}(nil)
	if after, isUpdate := line["new"].(map[string]interface{}); isUpdate {
		object, old = after, line["old"].(map[string]interface{})
	}
	head := unstructured.Unstructured{Object: object}
	name := fmt.Sprintf("%s %s", head.GetKind(), head.GetName())
	if head.GetKind() == "CustomResourceDefinition" {
		return name, addCRD(raw)
	}
	k, known := kinds[head.GetKind()]
	if !known {
		return name, fmt.Errorf("no CRD of that kind came before it")
	}
	return name, check(k, numbers(object), numbers(old))
}

// The same object with whole numbers as integers, as the API server's decoder makes them.
func numbers(object map[string]interface{}) map[string]interface{} {
	if object == nil {
		return nil
	}
	raw, _ := json.Marshal(object)
	var made unstructured.Unstructured
	if err := made.UnmarshalJSON(raw); err != nil {
		return object
	}
	return made.Object
}

func main() {
	result := 0
	scanner := bufio.NewScanner(os.Stdin)
	scanner.Buffer(nil, 16<<20)
	for scanner.Scan() {
		name, err := handle(scanner.Bytes())
		if err == nil {
			fmt.Println("ok:", name)
			continue
		}
		fmt.Printf("wrong: %s: %s\n", name, strings.ReplaceAll(err.Error(), "\n", " "))
		result = 1
	}
	if err := scanner.Err(); err != nil {
		fmt.Fprintln(os.Stderr, "crdtool:", err)
		result = 2
	}
	os.Exit(result)
}
