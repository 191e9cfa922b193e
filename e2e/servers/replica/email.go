package replica

// Email is the mail address of the spec's first accepted token, empty where such tokens have none.
func (s *Server) Email() string {
	email, _ := s.WantUser(s.Accepted()[0])["email"].(string)
	return email
}
