import urllib.request
from PIL import Image
# Provide a project ID and feature ID. Alternatively, replace the entire mask_url with a URL grabbed from your export.
project_id = ""
feature_id = ""
mask_url = f"https://api.labelbox.com/api/v1/projects/{project_id}/annotations/{feature_id}/index/1/mask"
# Make the API request
req = urllib.request.Request(mask_url, headers=client.headers)
# Optionally, print the image of the mask
image = Image.open(urllib.request.urlopen(req))
image
