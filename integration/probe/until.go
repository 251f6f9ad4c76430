// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"time"
)

// patience is how long until waits.
const patience = 20 * time.Second

// until tries to open a file until the answer is the one that is waited for, and prints
// when that was, in nanoseconds of the machine's clock.
func until(args []string) (string, error) {
	if err := need(args, 2, 3); err != nil {
		return "", err
	}
	for began := time.Now(); ; time.Sleep(time.Millisecond) {
		answer, err := open(args[1:])
		if err != nil {
			answer = errnoName(err)
		}
		switch {
		case answer == args[0]:
			return fmt.Sprint(time.Now().UnixNano()), nil
		case time.Since(began) > patience:
			return answer, nil
		}
	}
}
