// Decodes the photo of app/page/photo.py and hands it to every view that draws over it.
onValue((photo) => {
  if (!photo || photo.key === sharedPhoto.current?.key) return;
  const image = new Image();
  image.onload = () => setPhoto({ ...photo, image });
  image.src = photo.uri;
});
