-- Which products should I show with this product?
-- The products that the same customers look at and buy, nearest first (recommendation.similar_products); add
-- `where product_id = '…'`. `share` is of the customers who have the product; with `lift` above 1 they have the
-- other more often than chance would have it. Products without a row have too few customers in common with others.
with final as (
    select
        s.product_id,
        s.product_name,
        s.rank,
        s.similar_product_id,
        s.similar_product_name,
        s.similar_category,
        s.similar_price,
        s.customers_both,
        s.customers,
        s.customers_both::double precision / nullif(s.customers, 0) as share,
        s.lift,
        c.currency
    from recommendation.similar_products as s
    cross join core.clock as c
)

select * from final
order by product_id, rank
