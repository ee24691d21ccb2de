-- What should I offer beside a product?
-- For each product that has something to offer beside it the best three, products with most orders first.
-- `confidence` is the part of the orders with the product that holds the other one; with `lift` it is so many
-- times as often as by chance. `gain_per_1000_orders` is what that brings beyond chance in a thousand orders,
-- by price and margin. `replicates` says whether the pair was found again in the last weeks, which were kept
-- back. A description of orders: whether the offer sells more, a test has to show.
with final as (
    select
        s.product_id,
        s.product_name,
        s.rank,
        s.recommended_product_id,
        s.recommended_product_name,
        s.recommended_category,
        s.product_orders,
        s.orders,
        s.confidence,
        s.lift,
        s.price,
        (s.expected_gain * 1000)::numeric(18, 4) as gain_per_1000_orders,
        s.replicates,
        s.currency
    from basket.cross_sell as s
    where s.rank <= 3
)

select * from final
order by product_orders desc, product_id, rank
