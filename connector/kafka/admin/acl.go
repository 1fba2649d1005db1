package admin

import (
	"cmp"
	"context"
	"slices"

	"github.com/IBM/sarama"
)

// The names of ACLs' parts, at the index of their protocol code.
var (
	aclResources   = []string{"UNKNOWN", "ANY", "TOPIC", "GROUP", "CLUSTER", "TRANSACTIONAL_ID", "DELEGATION_TOKEN"}
	aclPatterns    = []string{"UNKNOWN", "ANY", "MATCH", "LITERAL", "PREFIXED"}
	aclOperations  = []string{"UNKNOWN", "ANY", "ALL", "READ", "WRITE", "CREATE", "DELETE", "ALTER", "DESCRIBE", "CLUSTER_ACTION", "DESCRIBE_CONFIGS", "ALTER_CONFIGS", "IDEMPOTENT_WRITE"}
	aclPermissions = []string{"UNKNOWN", "ANY", "DENY", "ALLOW"}
)

// ACLResources are the valid values of ACL.ResourceType, in the order that they
// sort in.
func ACLResources() []string { return slices.Clone(aclResources) }

// ACLPatterns are the valid values of ACL.PatternType, in order.
func ACLPatterns() []string { return slices.Clone(aclPatterns) }

// ACLOperations are the valid values of ACL.Operation, in order.
func ACLOperations() []string { return slices.Clone(aclOperations) }

// ACLPermissions are the valid values of ACL.Permission, in order.
func ACLPermissions() []string { return slices.Clone(aclPermissions) }

// ACL is one access control entry. As a filter, ANY and "" match everything,
// and the pattern type MATCH all that applies to the name (KIP-290).
type ACL struct {
	ResourceType string
	ResourceName string
	PatternType  string
	Principal    string
	Host         string
	Operation    string
	Permission   string
}

func aclCode(names []string, name string) int { return max(slices.Index(names, name), 0) }

func aclName(names []string, code int) string {
	if code < 0 || code >= len(names) {
		return names[0]
	}
	return names[code]
}

func newACL(r sarama.Resource, acl *sarama.Acl) ACL {
	return ACL{
		ResourceType: aclName(aclResources, int(r.ResourceType)), ResourceName: r.ResourceName,
		PatternType: aclName(aclPatterns, int(r.ResourcePatternType)),
		Principal:   acl.Principal, Host: acl.Host,
		Operation: aclName(aclOperations, int(acl.Operation)), Permission: aclName(aclPermissions, int(acl.PermissionType)),
	}
}

func (f ACL) filter() sarama.AclFilter {
	text := func(s string) *string {
		if s == "" {
			return nil
		}
		return &s
	}
	return sarama.AclFilter{
		Version:      1,
		ResourceType: sarama.AclResourceType(aclCode(aclResources, f.ResourceType)), ResourceName: text(f.ResourceName),
		ResourcePatternTypeFilter: sarama.AclResourcePatternType(aclCode(aclPatterns, f.PatternType)),
		Principal:                 text(f.Principal), Host: text(f.Host),
		Operation:      sarama.AclOperation(aclCode(aclOperations, f.Operation)),
		PermissionType: sarama.AclPermissionType(aclCode(aclPermissions, f.Permission)),
	}
}

func sortACLs(acls []ACL) []ACL {
	slices.SortFunc(acls, func(x, y ACL) int {
		return cmp.Or(
			cmp.Compare(aclCode(aclResources, x.ResourceType), aclCode(aclResources, y.ResourceType)),
			cmp.Compare(x.ResourceName, y.ResourceName),
			cmp.Compare(aclCode(aclPatterns, x.PatternType), aclCode(aclPatterns, y.PatternType)),
			cmp.Compare(x.Principal, y.Principal), cmp.Compare(x.Host, y.Host),
			cmp.Compare(aclCode(aclOperations, x.Operation), aclCode(aclOperations, y.Operation)),
			cmp.Compare(aclCode(aclPermissions, x.Permission), aclCode(aclPermissions, y.Permission)))
	})
	return acls
}

// ACLs returns the entries that the filter matches, sorted by its fields in
// their order.
func (a *Admin) ACLs(ctx context.Context, filter ACL) ([]ACL, error) {
	return call(ctx, a, "searching ACLs", func(c sarama.Client) ([]ACL, error) {
		return onAny(c, func(b *sarama.Broker) ([]ACL, error) {
			rsp, err := b.DescribeAcls(&sarama.DescribeAclsRequest{Version: 2, AclFilter: filter.filter()})
			if err != nil {
				return nil, err
			}
			if err := refused(rsp.Err, rsp.ErrMsg); err != nil {
				return nil, err
			}
			acls := []ACL{}
			for _, r := range rsp.ResourceAcls {
				for _, acl := range r.Acls {
					acls = append(acls, newACL(r.Resource, acl))
				}
			}
			return sortACLs(acls), nil
		})
	})
}

// clusterName is the one name that a CLUSTER resource has. Not every broker
// that speaks the protocol checks it.
const clusterName = "kafka-cluster"

// CreateACLs creates the entries; one that exists stays. When one is refused,
// others may have been created.
func (a *Admin) CreateACLs(ctx context.Context, acls []ACL) error {
	if len(acls) == 0 {
		return nil
	}
	req := &sarama.CreateAclsRequest{Version: 2}
	for _, acl := range acls {
		if acl.ResourceType == "CLUSTER" && acl.ResourceName != clusterName {
			message := "The only valid name for the CLUSTER resource is " + clusterName
			return explain("creating ACLs", refused(sarama.ErrInvalidRequest, &message))
		}
		req.AclCreations = append(req.AclCreations, &sarama.AclCreation{
			Resource: sarama.Resource{
				ResourceType: sarama.AclResourceType(aclCode(aclResources, acl.ResourceType)), ResourceName: acl.ResourceName,
				ResourcePatternType: sarama.AclResourcePatternType(aclCode(aclPatterns, acl.PatternType)),
			},
			Acl: sarama.Acl{
				Principal: acl.Principal, Host: acl.Host,
				Operation:      sarama.AclOperation(aclCode(aclOperations, acl.Operation)),
				PermissionType: sarama.AclPermissionType(aclCode(aclPermissions, acl.Permission)),
			},
		})
	}
	return do(ctx, a, "creating ACLs", func(c sarama.Client) error {
		_, err := onController(c, func(b *sarama.Broker) (struct{}, error) {
			rsp, err := b.CreateAcls(req)
			if err != nil {
				return struct{}{}, err
			}
			for _, r := range rsp.AclCreationResponses {
				if err := refused(r.Err, r.ErrMsg); err != nil {
					return struct{}{}, err
				}
			}
			return struct{}{}, nil
		})
		return err
	})
}

// DeleteACLs deletes the entries that the filter matches and returns them,
// sorted.
func (a *Admin) DeleteACLs(ctx context.Context, filter ACL) ([]ACL, error) {
	f := filter.filter()
	return call(ctx, a, "deleting ACLs", func(c sarama.Client) ([]ACL, error) {
		return onController(c, func(b *sarama.Broker) ([]ACL, error) {
			rsp, err := b.DeleteAcls(&sarama.DeleteAclsRequest{Version: 2, Filters: []*sarama.AclFilter{&f}})
			if err != nil {
				return nil, err
			}
			acls := []ACL{}
			for _, r := range rsp.FilterResponses {
				if err := refused(r.Err, r.ErrMsg); err != nil {
					return nil, err
				}
				for _, m := range r.MatchingAcls {
					if err := refused(m.Err, m.ErrMsg); err != nil {
						return nil, err
					}
					acls = append(acls, newACL(m.Resource, &m.Acl))
				}
			}
			return sortACLs(acls), nil
		})
	})
}
