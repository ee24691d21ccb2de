-- Which shipping do high-value customers choose?
-- One row per way of shipping: how many orders of high-value customers (the top part by net sales,
-- core.parameters.high_value_share) and of all other customers were shipped so. The shares of either side add
-- up to 1; `difference` is theirs less that of the others. Guests are left out; orders of which nothing is
-- known are `Unknown`, those sold over a counter `In store`.
with orders as (
    select
        o.customer_id,
        o.shipping_type
    from kpi.order_traits as o
    where o.customer_id is not null
),

high_value as (
    select p.customer_id
    from customer.profile as p
    where p.is_top_revenue
),

counted as (
    select
        o.shipping_type,
        count(h.customer_id) as orders,
        count(distinct h.customer_id) as customers,
        count(*) - count(h.customer_id) as other_orders
    from orders as o
    left join high_value as h on o.customer_id = h.customer_id
    group by o.shipping_type
),

shares as (
    select
        c.shipping_type,
        c.customers,
        c.orders,
        sum(c.orders) over ()::bigint as all_orders,
        c.other_orders,
        sum(c.other_orders) over ()::bigint as all_other_orders
    from counted as c
),

final as (
    select
        s.shipping_type,
        s.customers,
        s.orders,
        s.all_orders,
        s.orders::double precision / nullif(s.all_orders, 0) as share,
        s.other_orders,
        s.all_other_orders,
        s.other_orders::double precision / nullif(s.all_other_orders, 0) as other_share,
        s.orders::double precision / nullif(s.all_orders, 0)
        - s.other_orders::double precision / nullif(s.all_other_orders, 0) as difference
    from shares as s
)

select * from final
order by orders desc, other_orders desc, shipping_type
