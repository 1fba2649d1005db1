package app

import (
	"context"
	"strings"
	"testing"

	"github.com/headrace/headrace/gateway"
	"github.com/headrace/headrace/gateway/restproxy"
)

// TestSelfURL asks where other servers are told to find this one.
func TestSelfURL(t *testing.T) {
	cfg := gateway.DefaultConfig()
	cfg.Listen = "127.0.0.1:0"
	server := gateway.New(cfg, nil)
	if err := server.Listen(); err != nil {
		t.Fatal(err)
	}
	// A server that is listening and was never run ends with a run that is over.
	defer func() { _ = server.Run(ended(t)) }()
	_, port, _ := strings.Cut(server.Addr().String(), ":")
	for _, tc := range []struct {
		rest restproxy.Settings
		want string
	}{
		{restproxy.Settings{}, "http://127.0.0.1:" + port},
		{restproxy.Settings{HostName: "rest-1"}, "http://rest-1:" + port},
		{restproxy.Settings{HostName: "rest-1", AdvertisedListeners: []string{"http://lb:80"}}, "http://lb:80"},
		{restproxy.Settings{AdvertisedListeners: []string{"http://lb:80"}, PeerURL: "http://10.0.0.7:8082"}, "http://10.0.0.7:8082"},
	} {
		if got := selfURL(&tc.rest, server); got != tc.want {
			t.Errorf("%s, want %s", got, tc.want)
		}
	}
}

func ended(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
