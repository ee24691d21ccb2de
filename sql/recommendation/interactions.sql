-- One row per customer, product and local day on which the customer viewed, wished for, carted or bought the
-- product: what recommenders are fitted to, cut off at any day. Goods only, known robots left out, up to the
-- as-of date. Views, wishes and carts are those of core.activity; purchases are valid sales lines of all shops,
-- those with a door too, and purchases that only the tracker knows. `weight` is that of the strongest event of
-- the day (core.parameters.weight_view and so on): a day counts once, however often a page was reloaded.
with parameters as (
    select
        p.weight_view,
        p.weight_wishlist,
        p.weight_cart,
        p.weight_purchase
    from core.parameters as p
),

clock as (
    select c.as_of_date
    from core.clock as c
),

goods as (
    select p.product_id
    from recommendation.products as p
    where p.is_goods
),

activity as (
    select
        a.customer_id,
        a.product_id,
        a.occurred_date as interaction_date,
        count(*) filter (where a.event_type = 'view') as views,
        count(*) filter (where a.event_type = 'wishlist') as wishlists,
        count(*) filter (where a.event_type = 'cart') as carts,
        count(*) filter (where a.event_type = 'purchase') as purchases
    from core.activity as a
    where a.customer_id is not null
        and a.product_id is not null
        and a.event_type in ('view', 'wishlist', 'cart', 'purchase')
        and (a.event_type <> 'purchase' or a.sale_id is null)
    group by a.customer_id, a.product_id, a.occurred_date
),

sales as (
    select
        s.customer_id,
        s.product_id,
        s.sold_date as interaction_date,
        count(distinct s.order_id) as purchases
    from core.sales as s
    cross join clock as c
    where s.customer_id is not null
        and s.is_valid
        and s.line_type = 'sale'
        and s.sold_date <= c.as_of_date
    group by s.customer_id, s.product_id, s.sold_date
),

together as (
    select
        a.customer_id,
        a.product_id,
        a.interaction_date,
        a.views,
        a.wishlists,
        a.carts,
        a.purchases
    from activity as a
    union all
    select
        s.customer_id,
        s.product_id,
        s.interaction_date,
        0 as views,
        0 as wishlists,
        0 as carts,
        s.purchases
    from sales as s
),

summed as (
    select
        t.customer_id,
        t.product_id,
        t.interaction_date,
        sum(t.views)::bigint as views,
        sum(t.wishlists)::bigint as wishlists,
        sum(t.carts)::bigint as carts,
        sum(t.purchases)::bigint as purchases
    from together as t
    group by t.customer_id, t.product_id, t.interaction_date
),

final as (
    select
        s.customer_id,
        s.product_id,
        s.interaction_date,
        greatest(
            case when s.views > 0 then k.weight_view else 0 end,
            case when s.wishlists > 0 then k.weight_wishlist else 0 end,
            case when s.carts > 0 then k.weight_cart else 0 end,
            case when s.purchases > 0 then k.weight_purchase else 0 end
        ) as weight,
        s.views,
        s.wishlists,
        s.carts,
        s.purchases
    from summed as s
    inner join goods as g on s.product_id = g.product_id
    cross join parameters as k
)

select * from final
