// What the CRI's authors test runtimes with; never part of the product.
module github.com/nodegate/nodegate/hack/pins/critest

go 1.26.6

tool sigs.k8s.io/cri-tools/cmd/critest

require sigs.k8s.io/cri-tools v1.37.0 // indirect
