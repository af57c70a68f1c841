"""What did not get through: mails, and work that ended in an error."""
