package block

import "github.com/prometheus/client_golang/prometheus"

// Register puts all of cs into reg, which may be nil, or none of them. remove
// takes them out again; it is never nil.
func Register(reg prometheus.Registerer, cs []prometheus.Collector) (remove func(), err error) {
	if reg == nil {
		return func() {}, nil
	}
	var in []prometheus.Collector
	remove = func() {
		for _, c := range in {
			reg.Unregister(c)
		}
	}
	for _, c := range cs {
		if err := reg.Register(c); err != nil {
			remove()
			return func() {}, err
		}
		in = append(in, c)
	}
	return remove, nil
}
