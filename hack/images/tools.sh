# SPDX-FileCopyrightText: The nodegate authors
# SPDX-License-Identifier: Apache-2.0

# As the Containerfile of docs/recipes.md: a pod that drops all capabilities cannot
# execute a file that has one.
setcap -r /bin/ping
