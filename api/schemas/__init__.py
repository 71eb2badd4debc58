"""What the API takes and gives, as schemas; the OpenAPI document is made of them."""
