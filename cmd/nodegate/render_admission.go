// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/nodegate/nodegate/config"
	"github.com/nodegate/nodegate/config/admission"
)

func renderAdmissionCommand() *cobra.Command {
	var file, name string
	cmd := &cobra.Command{
		Use:   "admission",
		Short: "Print the admission policy that refuses pods at kubectl apply",
		Long: `Prints a ValidatingAdmissionPolicy, for Kubernetes 1.30 or later, that refuses a
pod when it is made for what the agent would refuse its containers for, in the
agent's words, and warns of Deployments and the like. docs/kubernetes.md lists
what it decides. The chart makes the same from its policy.

Exits with 0, and with 1 if the policy has errors, is in audit mode, or is too
large for an API server.`,
		Example: "  nodegate render admission --config policy.toml | kubectl apply -f -",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if len(validation.IsDNS1123Subdomain(name+"-templates")) > 0 { // the longer one of the two
				return wrong(cmd, "--name %q is not a name of Kubernetes' objects: write lower-case letters, digits, - and .", name)
			}
			c, err := config.Load(file)
			if err != nil {
				return err
			}
			if c.Policy.Audit() {
				return errors.New(`the policy is in audit mode, which refuses nothing: write mode = "enforce", or leave admission out`)
			}
			text, err := admission.Render(admission.DataOf(c.Policy.Conditions()), name)
			if err != nil {
				return fmt.Errorf("rendering the policy for admission: %w", err)
			}
			_, err = io.WriteString(cmd.OutOrStdout(), text)
			return err
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().StringVar(&name, "name", "nodegate-requests", "the `name` of the objects")
	return cmd
}
