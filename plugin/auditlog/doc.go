// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package auditlog writes one line of JSON for each event, to a file or to
// stderr. Who rotates the file tells it nothing: it looks at the name before
// each line. It decides nothing and holds up nobody.
package auditlog
