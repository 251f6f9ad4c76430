// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package admission says a policy's refusals to the API server: a ValidatingAdmissionPolicy
// that refuses at kubectl apply what the agent would refuse at create.
//
// The rules are CEL that is the same for every policy, in the chart's files/requests.yaml;
// this package makes the data that they go by, as the chart's templates do from the
// policy's text. What a manifest does not tell, or CEL cannot say, counts as met: admission
// is never stricter than the engine. What it decides is listed in docs/kubernetes.md.
package admission
