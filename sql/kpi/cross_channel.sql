-- One row per set of channels in which customers have ordered, over all time: who buys in one channel, who in
-- several. A customer stands in exactly one row; the channels are those of the shops where the orders began,
-- in alphabetical order, such as `online + store`. `net_sales` is all that these customers bought and gave
-- back; customers who only gave back are `none`. Guests are left out. More channels go with more orders in
-- any case: a customer of one order has one channel, so compare `net_sales_per_customer` with care.
with orders as (
    select
        o.customer_id,
        o.order_value,
        s.channel
    from core.orders as o
    cross join core.clock as c
    inner join core.stores as s on o.store_id = s.store_id
    where o.customer_id is not null and o.order_date <= c.as_of_date
),

sales as (
    select
        s.customer_id,
        sum(s.net_sales) as net_sales
    from core.sales as s
    cross join core.clock as c
    where s.is_valid and s.customer_id is not null and s.sold_date <= c.as_of_date
    group by s.customer_id
),

customers as (
    select
        o.customer_id,
        string_agg(distinct o.channel, ' + ' order by o.channel) as channels,
        count(distinct o.channel) as channel_count,
        count(*) as orders,
        sum(o.order_value) as ordered_value
    from orders as o
    group by o.customer_id
),

sums as (
    select
        coalesce(c.channels, 'none') as channels,
        coalesce(c.channel_count, 0) as channel_count,
        count(c.customer_id) as customers,
        count(c.customer_id) filter (where c.orders >= 2) as repeat_customers,
        coalesce(sum(c.orders), 0)::bigint as orders,
        coalesce(sum(c.ordered_value), 0) as ordered_value,
        coalesce(sum(s.net_sales), 0) as net_sales
    from sales as s
    full join customers as c on s.customer_id = c.customer_id
    group by coalesce(c.channels, 'none'), coalesce(c.channel_count, 0)
),

final as (
    select
        t.channels,
        t.channel_count,
        t.customers,
        t.customers::double precision / nullif(sum(t.customers) over (), 0) as customer_share,
        t.repeat_customers,
        t.repeat_customers::double precision / nullif(t.customers, 0) as repeat_rate,
        t.orders,
        t.orders::double precision / nullif(t.customers, 0) as orders_per_customer,
        t.ordered_value,
        (t.ordered_value / nullif(t.orders, 0))::numeric(18, 4) as aov,
        t.net_sales,
        t.net_sales::double precision / nullif(greatest(sum(t.net_sales) over (), 0), 0) as share,
        (t.net_sales / nullif(t.customers, 0))::numeric(18, 4) as net_sales_per_customer,
        t.customers < p.min_group_size as low_n,
        k.currency
    from sums as t
    cross join core.clock as k
    cross join core.parameters as p
)

select * from final
