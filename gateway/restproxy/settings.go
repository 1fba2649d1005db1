package restproxy

import (
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/headrace/headrace/connector"
)

// Settings is the rest_proxy section of http in the project file. Each key is
// one of kafka-rest.properties, which the tag also names, or goes beyond it.
type Settings struct {
	ID                  string   `mapstructure:"id" also:"id" doc:"part of the names that consumers get"`
	AdvertisedListeners []string `mapstructure:"advertised_listeners" also:"advertised.listeners" doc:"what links begin with, one URL a scheme"`
	HostName            string   `mapstructure:"host_name" also:"host.name" doc:"host of links"`
	TrustedProxies      []string `mapstructure:"trusted_proxies" doc:"addresses or networks such as 10.0.0.0/8 whose Forwarded and X-Forwarded-* headers say what links begin with"`
	V2                  bool     `mapstructure:"api_v2" also:"api.v2.enable" doc:"serve v2"`
	V3                  bool     `mapstructure:"api_v3" also:"api.v3.enable" doc:"serve v3"`
	Allow               []string `mapstructure:"allow_endpoints" also:"api.endpoints.allowlist" doc:"names such as api.v3.topics.*; only these are served"`
	Block               []string `mapstructure:"block_endpoints" also:"api.endpoints.blocklist" doc:"names that are not served"`
	Authority           string   `mapstructure:"resource_name_authority" also:"confluent.resource.name.authority" doc:"authority of resource names"`

	DefaultFormat string `mapstructure:"default_format" enum:",binary,json" doc:"what v2 takes a body of application/json for; with it text/plain and application/octet-stream are a record's value as they are"`
	FailedStatus  bool   `mapstructure:"failed_status_207" doc:"answer 207 instead of 200 where records of a v2 request failed"`
	Metadata      bool   `mapstructure:"v2_metadata" doc:"headers and timestamps in v2"`

	ConsumerIdle     connector.Duration `mapstructure:"consumer_idle_timeout" also:"consumer.instance.timeout.ms" doc:"a consumer without a call for so long is closed"`
	ConsumerWait     connector.Duration `mapstructure:"consumer_request_timeout" also:"consumer.request.timeout.ms" doc:"longest wait of a read"`
	ConsumerMaxBytes connector.ByteSize `mapstructure:"consumer_max_bytes" also:"consumer.request.max.bytes" doc:"largest answer of a read"`
	ConsumerMinBytes int                `mapstructure:"consumer_min_bytes" also:"fetch.min.bytes" doc:"a read returns when so much is there; -1 waits the whole time"`
	ConsumerReset    string             `mapstructure:"consumer_offset_reset" enum:"earliest,latest,none" also:"consumer.auto.offset.reset" doc:"where consumers that do not say it begin"`
	ConsumerCommit   bool               `mapstructure:"consumer_auto_commit" also:"consumer.enable.auto.commit" doc:"whether consumers that do not say it store their positions by themselves"`
	MaxConsumers     int                `mapstructure:"max_consumers" doc:"consumers that exist at once"`
	PeerURL          string             `mapstructure:"peer_url" doc:"where the other servers reach this one to pass on calls of its consumers; default the first of advertised_listeners, else the address it listens on"`
	Forward          bool               `mapstructure:"forward_consumers" doc:"pass calls of a consumer on to the replica that has it"`

	MaxBatchEntries int                `mapstructure:"max_batch_entries" also:"api.v3.produce.batch.maximum.entries" doc:"entries of records:batch"`
	MaxRecordBytes  connector.ByteSize `mapstructure:"max_record_bytes" also:"api.v3.produce.request.size.limit.max.bytes" doc:"one record of a produce stream"`
	StreamMax       connector.Duration `mapstructure:"stream_max_duration" also:"streaming.connection.max.duration.ms" doc:"longest life of a produce stream"`
	StreamGrace     connector.Duration `mapstructure:"stream_grace_period" also:"streaming.connection.max.duration.grace.period.ms" doc:"how long it stays open after that was said"`
	NullIsTombstone bool               `mapstructure:"null_is_tombstone" also:"null.request.body.always.publishes.empty.record" doc:"null data of a format with a schema is Kafka's null"`

	Requests RequestLimit `mapstructure:"request_limit" also:"rate.limit.*" doc:"requests a second"`
	Records  RecordLimit  `mapstructure:"record_limit" also:"api.v3.produce.rate.limit.*" doc:"produced records a second"`
}

// RequestLimit bounds the requests of all clients together and for each
// cluster. It is off with PerSecond 0.
type RequestLimit struct {
	PerSecond   float64            `mapstructure:"per_second" also:"rate.limit.permits.per.sec" doc:"permits a second; 0 is no limit"`
	PerCluster  float64            `mapstructure:"per_cluster" also:"rate.limit.per.cluster.permits.per.sec" doc:"permits a second for each cluster; 0 is no limit"`
	Wait        connector.Duration `mapstructure:"wait" also:"rate.limit.timeout.ms" doc:"how long a request may wait for its permits"`
	DefaultCost int                `mapstructure:"default_cost" also:"rate.limit.default.cost" doc:"permits of an endpoint that costs does not name"`
	Costs       map[string]int     `mapstructure:"costs" also:"rate.limit.costs" doc:"permits by endpoint, such as api.v3.clusters.*: 1"`
}

// RecordLimit bounds what v3 produces. Zero values are no limit.
type RecordLimit struct {
	PerCluster      float64 `mapstructure:"per_cluster" also:"api.v3.produce.rate.limit.max.requests.per.sec" doc:"records a second for each cluster"`
	Global          float64 `mapstructure:"global" also:"api.v3.produce.rate.limit.max.requests.global.per.sec" doc:"records a second"`
	BytesPerCluster float64 `mapstructure:"bytes_per_cluster" also:"api.v3.produce.rate.limit.max.bytes.per.sec" doc:"bytes a second for each cluster"`
	BytesGlobal     float64 `mapstructure:"bytes_global" also:"api.v3.produce.rate.limit.max.bytes.global.per.sec" doc:"bytes a second"`
}

// DefaultSettings returns the values that hold where nothing is said: those of
// the original.
func DefaultSettings() Settings {
	return Settings{
		V2: true, V3: true,
		ConsumerIdle:     connector.Duration(5 * time.Minute),
		ConsumerWait:     connector.Duration(time.Second),
		ConsumerMaxBytes: 64 << 20,
		ConsumerMinBytes: -1,
		ConsumerReset:    "latest",
		ConsumerCommit:   true,
		MaxConsumers:     10_000,
		Forward:          true,
		MaxBatchEntries:  10,
		MaxRecordBytes:   10 << 20,
		StreamMax:        connector.Duration(24 * time.Hour),
		StreamGrace:      connector.Duration(500 * time.Millisecond),
		Requests:         RequestLimit{DefaultCost: 1},
	}
}

// Validate reports every value that cannot work.
func (s *Settings) Validate() []connector.Fault {
	var faults []connector.Fault
	fault := func(bad bool, path, message string) {
		if bad {
			faults = append(faults, connector.Fault{Path: path, Message: message})
		}
	}
	_, err := s.advertised()
	fault(err != nil, "advertised_listeners", "a listener is a URL such as http://rest-1.example.com:8082")
	peer, err := url.Parse(s.PeerURL)
	fault(s.PeerURL != "" && (err != nil || peer.Host == "" || peer.Scheme != "http" && peer.Scheme != "https"), "peer_url", "write it like http://10.0.0.7:8082")
	_, err = s.trusted()
	fault(err != nil, "trusted_proxies", "write addresses or networks, such as 10.0.0.1 or 10.0.0.0/8")
	fault(s.ConsumerMinBytes < -1 || s.ConsumerMinBytes > 10_000_000, "consumer_min_bytes", "must be between -1 and 10000000")
	reset := strings.ToLower(s.ConsumerReset)
	fault(reset != "earliest" && reset != "latest" && reset != "none", "consumer_offset_reset", "must be earliest, latest or none")
	fault(s.MaxBatchEntries < 1 || s.MaxBatchEntries > 50, "max_batch_entries", "must be between 1 and 50")
	for path, n := range map[string]int64{
		"consumer_idle_timeout": int64(s.ConsumerIdle), "consumer_request_timeout": int64(s.ConsumerWait), "consumer_max_bytes": int64(s.ConsumerMaxBytes),
		"max_consumers": int64(s.MaxConsumers), "max_record_bytes": int64(s.MaxRecordBytes), "stream_max_duration": int64(s.StreamMax), "stream_grace_period": int64(s.StreamGrace),
	} {
		fault(n <= 0, path, "must be more than 0")
	}
	for path, n := range map[string]float64{
		"request_limit.per_second": s.Requests.PerSecond, "request_limit.per_cluster": s.Requests.PerCluster, "request_limit.default_cost": float64(s.Requests.DefaultCost),
		"record_limit.per_cluster": s.Records.PerCluster, "record_limit.global": s.Records.Global,
		"record_limit.bytes_per_cluster": s.Records.BytesPerCluster, "record_limit.bytes_global": s.Records.BytesGlobal,
	} {
		fault(n < 0, path, "cannot be less than 0")
	}
	return faults
}

func (s *Settings) advertised() ([]*url.URL, error) {
	var urls []*url.URL
	for _, text := range s.AdvertisedListeners {
		u, err := url.Parse(strings.TrimSpace(text))
		if err != nil {
			return nil, err
		}
		if u.Scheme == "" || u.Host == "" {
			return nil, &url.Error{Op: "parse", URL: text, Err: errNoHost}
		}
		urls = append(urls, u)
	}
	return urls, nil
}

// trusted returns whether a peer is one of the proxies; nil trusts nobody.
func (s *Settings) trusted() (func(remoteAddr string) bool, error) {
	var networks []netip.Prefix
	for _, text := range s.TrustedProxies {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			addr, err := netip.ParseAddr(text)
			if err != nil {
				return nil, err
			}
			network = netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen())
		}
		networks = append(networks, network)
	}
	if len(networks) == 0 {
		return nil, nil
	}
	return func(remoteAddr string) bool {
		peer, err := netip.ParseAddrPort(remoteAddr)
		if err != nil {
			return false
		}
		for _, n := range networks {
			if n.Contains(peer.Addr().Unmap()) {
				return true
			}
		}
		return false
	}, nil
}
