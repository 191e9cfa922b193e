package facts

// TenantPlaceholder stands for the tenant in [Tenants].Issuer. It is the spelling that Entra ID
// uses in its own metadata.
const TenantPlaceholder = "{tenantid}"

// AnyTenant in [Tenants].AnyOf accepts users of every tenant of the provider.
const AnyTenant = "*"

// Tenants are the issuers of a provider that has one for each tenant. A token's issuer must be that
// of the tenant which the token itself names, the tenant must be one of AnyOf, and the key that
// signed the token must be one for that issuer, where the key set says for whom its keys are (the
// member "issuer" of Entra ID's keys).
type Tenants struct {
	// Issuer is a tenant's issuer, with [TenantPlaceholder] once in place of the tenant.
	Issuer string
	// Claim is the path, as in [ClaimMap], of the claim with the tenant.
	Claim string
	// AnyOf are the tenants whose tokens are accepted, compared byte for byte; [AnyTenant] accepts
	// all. Empty values are dropped.
	AnyOf []string
	// Hint explains a refusal in the log.
	Hint string
}
