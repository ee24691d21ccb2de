-- Which products are most popular now?
-- The twenty goods with the highest score of the last 28 days, the as-of date included. The score counts
-- every visitor once a day with the weightiest thing that they did to the product (view, wish list, cart,
-- purchase), so that robots and reloading make nothing popular; it knows the online shop only. `rank_change`
-- counts the places gained since the 28 days before; NULL where the data do not reach back that far.
with final as (
    select
        p.rank_score as rank,
        p.product_id,
        p.product_name,
        p.category,
        p.score,
        p.rank_change,
        p.unique_viewers,
        p.carts,
        p.orders,
        p.units,
        p.net_sales,
        p.currency
    from behavior.product_popularity as p
    where p.period_name = 'last 28 days' and p.rank_score <= 20
)

select * from final
order by rank
