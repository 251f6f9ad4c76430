// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"errors"
	"fmt"

	"google.golang.org/grpc/status"
)

// EventError is a refusal by the container runtime. Error is the message of the event
// that the kubelet would attach to the pod, as kubectl describe shows it.
type EventError struct {
	Reason  string // of the event: "FailedCreatePodSandBox" or "Failed"
	Message string
	cause   error
}

func (e *EventError) Error() string { return e.Message }
func (e *EventError) Unwrap() error { return e.cause }

// sandboxError words an error of RunPodSandbox as the kubelet's podworker does.
func sandboxError(err error) error {
	return &EventError{
		Reason:  "FailedCreatePodSandBox",
		Message: fmt.Sprintf("Failed to create pod sandbox: %v", err),
		cause:   err,
	}
}

// containerError words an error of CreateContainer or StartContainer as the kubelet's
// kuberuntime does: without gRPC's own words.
func containerError(err error) error {
	message := err.Error()
	if s, ok := status.FromError(err); ok {
		message = s.Message()
	}
	return &EventError{Reason: "Failed", Message: "Error: " + message, cause: err}
}

// joinErrors is errors.Join over lines of one caller's action.
func joinErrors(doing string, errs ...error) error {
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}
