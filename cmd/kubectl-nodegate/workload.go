// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// workload is what is read of an object that holds a pod, or is one.
type workload struct {
	Kind     string            `json:"kind"`
	Metadata metav1.ObjectMeta `json:"metadata"`
	Spec     struct {
		corev1.PodSpec
		Selector    json.RawMessage          `json:"selector"`
		Template    *corev1.PodTemplateSpec  `json:"template"`
		JobTemplate *batchv1.JobTemplateSpec `json:"jobTemplate"`
	} `json:"spec"`
}

// nodeSelector is that of its pods.
func (w *workload) nodeSelector() map[string]string {
	switch s := &w.Spec; {
	case s.Template != nil:
		return s.Template.Spec.NodeSelector
	case s.JobTemplate != nil:
		return s.JobTemplate.Spec.Template.Spec.NodeSelector
	}
	return w.Spec.NodeSelector
}

// pods selects those that it has made; nil if it does not tell. An empty selector, which is
// how one of another form is read, would select all of the namespace.
func (w *workload) pods() (labels.Selector, error) {
	if len(w.Spec.Selector) == 0 {
		return nil, nil
	}
	if w.Kind == "ReplicationController" {
		var set map[string]string
		if err := json.Unmarshal(w.Spec.Selector, &set); err != nil || len(set) == 0 {
			return nil, err
		}
		return labels.SelectorFromSet(set), nil
	}
	var selector metav1.LabelSelector
	if err := json.Unmarshal(w.Spec.Selector, &selector); err != nil {
		return nil, err
	}
	out, err := metav1.LabelSelectorAsSelector(&selector)
	if err != nil || out.Empty() {
		return nil, err
	}
	return out, nil
}
