-- One row per customer of high value and basis: who spent most, and who spent much in spite of having a
-- discount. `top_revenue`: the top part (core.parameters.high_value_share) of the customers with an order by
-- net sales; whoever equals the last of them is in, too, and net sales are above 0. `discount_above_average`:
-- the customer's discounted orders are worth more on average, after the discount, than the average order of
-- the shop. A customer can stand here on both. Ranks are by net sales within the basis.
with orders as (
    select
        o.customer_id,
        o.order_value,
        t.is_discounted
    from core.orders as o
    inner join kpi.order_traits as t on o.order_id = t.order_id
),

average as (
    select sum(o.order_value) / nullif(count(*), 0) as aov
    from orders as o
),

customers as (
    select
        o.customer_id,
        count(*) as orders,
        count(*) filter (where o.is_discounted) as discounted_orders,
        sum(o.order_value) filter (where o.is_discounted) as discounted_order_value
    from orders as o
    where o.customer_id is not null
    group by o.customer_id
),

sales as (
    select
        s.customer_id,
        sum(s.net_sales) as net_sales
    from core.sales as s
    cross join core.clock as c
    where s.customer_id is not null and s.sold_date <= c.as_of_date
    group by s.customer_id
),

valued as (
    select
        m.customer_id,
        m.orders,
        coalesce(s.net_sales, 0) as net_sales,
        sum(coalesce(s.net_sales, 0)) over () as all_net_sales,
        rank() over (order by coalesce(s.net_sales, 0) desc) as place,
        count(*) over () as customers,
        m.discounted_orders,
        coalesce(m.discounted_order_value, 0) as discounted_order_value,
        a.aov
    from customers as m
    cross join average as a
    left join sales as s on m.customer_id = s.customer_id
),

judged as (
    select
        v.customer_id,
        v.orders,
        v.net_sales,
        v.all_net_sales,
        v.discounted_orders,
        v.discounted_order_value,
        v.aov,
        v.place <= ceil(p.high_value_share * v.customers) and v.net_sales > 0 as is_top_revenue,
        v.discounted_orders > 0 and v.discounted_order_value > v.discounted_orders * round(v.aov, 4)
            as is_above_average
    from valued as v
    cross join core.parameters as p
),

based as (
    select
        j.customer_id,
        'top_revenue' as basis
    from judged as j
    where j.is_top_revenue
    union all
    select
        j.customer_id,
        'discount_above_average' as basis
    from judged as j
    where j.is_above_average
),

final as (
    select
        b.customer_id,
        b.basis,
        row_number() over (partition by b.basis order by j.net_sales desc, j.customer_id) as rank,
        j.net_sales,
        j.all_net_sales,
        j.net_sales::double precision / nullif(j.all_net_sales, 0) as share,
        j.is_top_revenue,
        j.orders,
        j.discounted_orders,
        j.discounted_order_value,
        (j.discounted_order_value / nullif(j.discounted_orders, 0))::numeric(18, 4)
            as average_discounted_order_value,
        j.aov,
        c.currency
    from based as b
    inner join judged as j on b.customer_id = j.customer_id
    cross join core.clock as c
)

select * from final
