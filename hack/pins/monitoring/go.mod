// The definitions of the Prometheus operator's kinds, for the tests; nothing of it is
// built, so that no import keeps this line and go mod tidy would take it out.
module github.com/nodegate/nodegate/hack/pins/monitoring

go 1.26.3

require github.com/prometheus-operator/prometheus-operator v0.94.1
